"""Whatever a service does: a typed failure in bounded time, in words that name neither addresses nor what was asked."""

import json
import traceback
from typing import Final

import pytest

from app.tools.public.client import PublicClient
from app.tools.public.failure import PublicFailure
from app.tools.public.service import Manners, PublicService
from tests.tools.public.fake import PAGE, SERVICES, FakePublic, Trouble, answers, floods, hangs
from tests.tools.public.using import Ticks, toolbox
from tests.voyage_client.raw_server import ok, saying

CANARY: Final = "canary-7f3a9c"
DEEP: Final = b"[" * 100_000

TROUBLES: Final[dict[str, tuple[Trouble, str, bool]]] = {
    "slow": (hangs(), "timeout", True),
    "429": (answers(PAGE, 429, Retry_After="5"), "throttled", False),
    "403": (answers(PAGE, 403), "blocked", False),
    "406": (answers(PAGE, 406), "blocked", False),
    "400": (answers(PAGE, 400), "status_400", False),
    "500 HTML": (answers(PAGE, 500), "status_500", True),
    "503": (answers(PAGE, 503), "overloaded", True),
    "504": (answers(PAGE, 504), "overloaded", True),
    "redirect": (answers(status=302, Location="http://127.0.0.1:1/"), "redirected", False),
    "huge": (floods(2_000_000), "too_large", True),
    "200 HTML": (answers(PAGE), "not_json", True),
    "cut JSON": (answers(b'[{"lat":"1'), "not_json", True),
    "empty": (answers(), "not_json", True),
    "non-UTF-8": (answers(b'[{"lat":"\xff\xfe"}]'), "not_json", True),
    "deep": (answers(DEEP), "not_json", True),
    "NaN": (answers(b'[{"lat":NaN}]'), "not_json", True),
    "gzip": (answers(b"\x1f\x8b\x08\x00junk", Content_Encoding="gzip"), "not_json", True),
    "204": (answers(status=204), "status_204", False),
}
MANNERS: Final = Manners(seconds=0.3, slots=1, interval_s=1.0, max_bytes=1_000_000)


async def failure_at(base_url: str) -> PublicFailure:
    async with PublicClient() as client:
        service = PublicService("The search", base_url, MANNERS, client, Ticks().clock)
        with pytest.raises(PublicFailure) as failed:
            await service.ask("/search", query={"q": CANARY})
    shown = "".join(traceback.format_exception(failed.value))
    assert CANARY not in shown
    assert base_url not in shown
    assert (failed.value.__cause__, failed.value.__context__) == (None, None)
    assert str(failed.value).startswith("The search ")
    return failed.value


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_failure_has_its_type(public: FakePublic, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    trouble, reason, retryable = TROUBLES[name]
    public.trouble["searxng"] = trouble
    failure = await failure_at(f"{public.base_url}/searxng")
    logged = capsys.readouterr().out

    assert (failure.reason, failure.retryable) == (reason, retryable)
    assert "public_service_failed" in logged
    assert reason in logged
    assert CANARY not in logged
    assert "127.0.0.1" not in logged


async def test_no_more_is_read_than_the_bound(public: FakePublic) -> None:
    sent = bytearray()
    public.trouble["searxng"] = floods(100_000_000, sent)
    assert (await failure_at(f"{public.base_url}/searxng")).reason == "too_large"
    # One byte for each 64 kB: the bound, and what the sockets on the way hold.
    assert len(sent) < 200


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not_http"),
        (ok(b"[]", head=b"X: " + b"x" * 20_000 + b"\r\n"), "not_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n[1,", "closed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n[", "too_large"),
    ],
)
async def test_what_no_web_server_would_send(answer: bytes, reason: str) -> None:
    async with saying(answer) as (address, _):
        assert (await failure_at(f"http://{address}")).reason in {reason, "not_http"}


async def test_a_service_that_is_not_there(free_port: int) -> None:
    assert (await failure_at(f"http://127.0.0.1:{free_port}")).reason == "refused"
    assert (await failure_at(f"http://{'a' * 64}.test")).reason == "no_address"


async def test_a_redirect_is_not_followed(public: FakePublic) -> None:
    target = f"{public.base_url}/searxng/search?q=stolen&format=json"
    public.trouble["nominatim"] = answers(status=307, Location=target)
    async with toolbox(public) as box:
        result = await box.call("search_places", location="Rome")

    assert (result.failed, result.retryable) == (True, False)
    assert public.asked("searxng") == []


@pytest.mark.parametrize("service", ["nominatim", "overpass"])
@pytest.mark.parametrize("name", [name for name in TROUBLES if name != "slow"])
async def test_the_place_search_tells_the_model(public: FakePublic, service: str, name: str) -> None:
    trouble, _, retryable = TROUBLES[name]
    public.geocoded["Rome"] = ("41.9", "12.5")
    public.trouble[service] = trouble
    async with toolbox(public) as box:
        result = await box.call("search_places", location="Rome")

    assert (result.failed, result.retryable) == (True, retryable)
    assert result.value["error"].startswith("The ")
    assert result.value.get("retryable", True) is retryable
    assert "127.0.0.1" not in json.dumps(result.value)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("body", [b"null", b"[]", b"{}", b"7", b'"text"', b"[null]", b'{"elements":7,"results":7}'])
async def test_json_of_another_shape_breaks_nothing(public: FakePublic, service: str, body: bytes) -> None:
    public.geocoded["Rome"] = ("41.9", "12.5")
    public.trouble[service] = answers(body)
    async with toolbox(public) as box:
        results = [
            await box.call("search_places", location="Rome"),
            await box.call("web_search", query="x"),
            await box.call("get_weather", latitude=1, longitude=2, dates=["2026-11-27", "2026-11-01"]),
        ]

    assert all(json.dumps(result.value, allow_nan=False).startswith("{") for result in results)


async def test_a_tool_has_a_deadline_of_its_own(public: FakePublic) -> None:
    public.geocoded["Rome"] = ("41.9", "12.5")
    public.trouble = {"overpass": hangs(), "searxng": hangs()}
    async with toolbox(public) as box:
        places = await box.call("search_places", location="Rome", seconds=0.1)
        pages = await box.call("web_search", query="x", seconds=0.1)

    assert (places.failed, places.value) == (True, {"error": "The search took too long."})
    assert (pages.failed, pages.value) == (True, {"error": "The search took too long.", "results": []})
