from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.tools.public.fake import FakePublic, answers
from tests.tools.public.using import Toolbox, toolbox


@pytest.fixture
async def box(public: FakePublic) -> AsyncIterator[Toolbox]:
    async with toolbox(public) as opened:
        yield opened


def page(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "url": f"https://site.example/{number}",
        "title": f"Page {number}",
        "content": "Words &amp; <more>",
        "engine": "brave",
        "parsed_url": ["https", "site.example", f"/{number}", "", "", ""],
        "score": 1.0,
        "category": "general",
        **changes,
    }


async def test_the_documented_answer(box: Toolbox, public: FakePublic) -> None:
    public.pages = [page(number) for number in range(9)]
    result = await box.call("web_search", query="fado tonight", location_context="Lisbon")

    assert not result.failed
    assert list(result.value) == ["results"]
    assert result.value["results"][0] == {
        "title": "Page 0",
        "snippet": "Words & <more>",
        "url": "https://site.example/0",
    }
    assert len(result.value["results"]) == 5
    assert [seen.query for seen in public.asked("searxng")] == [
        {"q": "fado tonight Lisbon", "format": "json", "safesearch": "1"}
    ]


async def test_only_links_that_one_may_click_on(box: Toolbox, public: FakePublic) -> None:
    public.pages = [
        page(1, url="javascript:alert(1)"),
        page(2, url="https://bank.example@evil.example/"),
        page(3, url=None),
        "no page",
        page(4, title=None, content=None),
        page(4),
    ]
    result = await box.call("web_search", query="x")

    assert result.value == {
        "results": [{"title": "https://site.example/4", "snippet": "", "url": "https://site.example/4"}]
    }


@pytest.mark.parametrize("query", [None, "", " \n", 7, ["a"]])
async def test_a_query_is_required(box: Toolbox, public: FakePublic, query: object) -> None:
    result = await box.call("web_search", query=query)

    assert (result.failed, result.retryable) == (True, True)
    assert result.value == {"error": "query is required", "results": []}
    assert public.seen == []


async def test_nothing_found_is_a_success_unless_every_engine_was_down(box: Toolbox, public: FakePublic) -> None:
    assert (await box.call("web_search", query="a")).value == {"results": []}

    public.engines_down = [["brave", "timeout"], ["duckduckgo", "CAPTCHA"]]
    failed = await box.call("web_search", query="b")

    assert (failed.failed, failed.retryable, failed.value["results"]) == (True, True, [])


async def test_errors_have_results_too(box: Toolbox, public: FakePublic) -> None:
    # What SearXNG says where its `json` format is off.
    public.trouble["searxng"] = answers(b"<html>Forbidden</html>", 403)
    result = await box.call("web_search", query="x")

    assert (result.failed, result.retryable) == (True, False)
    assert result.value == {
        "error": "The web search does not serve this gateway.",
        "retryable": False,
        "results": [],
    }


async def test_without_an_address_it_is_not_offered(public: FakePublic) -> None:
    async with toolbox(public, searxng=None) as box:
        assert set(box.rows) == {"search_places", "get_weather"}
    async with toolbox(public, nominatim=None) as box:
        assert set(box.rows) == {"web_search", "get_weather"}
    async with toolbox(public, overpass=None, archive=None) as box:
        assert set(box.rows) == {"web_search"}
