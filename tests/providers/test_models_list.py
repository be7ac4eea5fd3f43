"""Live lists over real sockets: what each shape gives, and what becomes of an answer that is no list."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from app.config_file import ProviderTable, Timeouts
from app.errors import (
    AuthenticationFailed,
    GatewayError,
    InvalidProviderResponse,
    ProviderTimeout,
    ProviderUnreachable,
    StreamInterrupted,
)
from app.providers import models_list
from app.providers.catalog import CATALOG
from app.providers.models_list import list_models
from app.providers.registry import build_registry
from app.providers.transport import Transport
from tests.providers.list_pages import KEY, Pages, serving_pages
from tests.upstream import FAULTS, Fault, Upstream


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving_pages() as found:
        yield found


def openai_list(*models: str, **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": model, "object": "model", **more} for model in models]}


@pytest.mark.parametrize("provider", [row.id for row in CATALOG if row.models_list is not None])
async def test_every_row_with_a_list_reads_its_providers_shape(provider: str) -> None:
    async with Upstream() as upstream, Transport() as transport:
        vendor = "" if "/" not in (build_registry({}).get(provider).default_model or "") else "meta/"
        upstream.models = [f"{vendor}b", f"{vendor}a", f"{vendor}b"]
        row = build_registry({provider: ProviderTable(api_base=upstream.base_url)}).get(provider)

        assert await list_models(transport, row, KEY, seconds=10) == (f"{vendor}a", f"{vendor}b")
        assert len(upstream.requests) == 1
        sent = [value for value in upstream.requests[0].headers.values() if KEY.reveal() in value]
        assert len(sent) == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_a_fault_of_the_upstream_is_a_typed_error(provider: str, fault: Fault) -> None:
    async with Upstream() as upstream, Transport() as transport:
        upstream.models_fault = fault
        row = build_registry({provider: ProviderTable(api_base=upstream.base_url)}).get(provider)

        with pytest.raises(GatewayError) as caught:
            await list_models(transport, row, KEY, seconds=0.1)

    assert caught.value.origin.provider == provider
    assert KEY.reveal() not in f"{caught.value} {caught.value.origin}"


async def test_openai_lists_only_what_can_chat(pages: Pages) -> None:
    others = [
        "text-embedding-3-small",
        "tts-1-hd",
        "gpt-4o-mini-tts",
        "whisper-1",
        "dall-e-3",
        "omni-moderation-latest",
        "gpt-image-1",
        "gpt-4o-audio-preview",
        "gpt-realtime",
        "gpt-4o-transcribe",
        "sora-2",
        "davinci-002",
        "gpt-3.5-turbo-instruct",
    ]
    pages.says(openai_list("gpt-6-luna", "gpt-4o", "o3", "gpt-4o", *others))

    assert await pages.ids("openai") == ("gpt-4o", "gpt-6-luna", "o3")
    line, headers = pages.requests[0]
    assert line == "GET /v1/models HTTP/1.1"
    assert headers["authorization"] == f"Bearer {KEY.reveal()}"
    assert headers["user-agent"].startswith("voyage-llm-gateway/")


async def test_a_gateways_list_is_not_filtered_by_name(pages: Pages) -> None:
    pages.says(openai_list("openrouter/auto", "google/gemini-3-pro-image", "anthropic/claude-haiku-4.5:free"))

    assert await pages.ids("openrouter", None) == (
        "anthropic/claude-haiku-4.5:free",
        "google/gemini-3-pro-image",
        "openrouter/auto",
    )
    assert "authorization" not in pages.requests[0][1]
    assert pages.requests[0][1]["x-title"] == "Voyage LLM gateway"


async def test_what_a_list_says_of_its_models_counts(pages: Pages) -> None:
    models = [
        {"id": "a/chat", "type": "chat"},
        {"id": "a/embedding-one", "type": "embedding"},
        {"id": "a/picture", "type": "image"},
        {"id": "a/off", "active": False},
        {"id": "a/no-chat", "capabilities": {"completion_chat": False}},
        {"id": "a/yes-chat", "capabilities": {"completion_chat": True}},
        {"id": "a/list-of-capabilities", "capabilities": ["completion"]},
    ]
    pages.says(models)  # a bare array, as Together sends it

    assert await pages.ids("together") == ("a/chat", "a/list-of-capabilities", "a/yes-chat")


async def test_anthropic_is_asked_page_by_page(pages: Pages) -> None:
    pages.says({"data": [{"id": "claude-b"}], "has_more": True, "last_id": "claude b&limit=1"})
    pages.says({"data": [{"id": "claude-a"}], "has_more": True, "last_id": "claude-a"})
    pages.says({"data": [{"id": "claude-c"}], "has_more": False, "last_id": "claude-c"})

    assert await pages.ids("anthropic") == ("claude-a", "claude-b", "claude-c")
    assert [line.split()[1] for line, _ in pages.requests] == [
        "/v1/models?limit=1000",
        "/v1/models?limit=1000&after_id=claude%20b%26limit%3D1",
        "/v1/models?limit=1000&after_id=claude-a",
    ]
    headers = pages.requests[2][1]
    assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY.reveal(), "2023-06-01")
    assert "authorization" not in headers


async def test_a_page_that_points_at_itself_ends_the_list(pages: Pages) -> None:
    pages.says({"data": [{"id": "claude-a"}], "has_more": True, "last_id": "claude-a"})

    assert await pages.ids("anthropic") == ("claude-a",)
    assert len(pages.requests) == 2


async def test_an_endless_list_is_left_after_ten_pages(pages: Pages) -> None:
    for number in range(20):
        pages.says({"data": [{"id": f"claude-{number}"}], "has_more": True, "last_id": f"claude-{number}"})

    assert len(await pages.ids("anthropic")) == len(pages.requests) == models_list.PAGE_LIMIT


async def test_gemini_lists_what_generates_content_without_its_prefix(pages: Pages) -> None:
    chat, other = {"supportedGenerationMethods": ["generateContent"]}, {"supportedGenerationMethods": ["embedContent"]}
    pages.says({"models": [{"name": "models/gemini-b", **chat}], "nextPageToken": "a+b="})
    pages.says(
        {
            "models": [
                {"name": "models/gemini-a", **chat},
                {"name": "models/embedding-001", **other},
                {"name": "models/no-methods"},
                {"name": "tunedModels/mine", **chat},
            ]
        }
    )

    assert await pages.ids("gemini") == ("gemini-a", "gemini-b")
    assert [line.split()[1] for line, _ in pages.requests] == [
        "/v1beta/models?pageSize=1000",
        "/v1beta/models?pageSize=1000&pageToken=a%2Bb%3D",
    ]
    assert pages.requests[0][1]["x-goog-api-key"] == KEY.reveal()


async def test_an_empty_gemini_list_is_an_empty_object(pages: Pages) -> None:
    assert await pages.says({}).ids("gemini") == ()


async def test_ollama_lists_its_tags_without_a_key(pages: Pages) -> None:
    pages.says({"models": [{"name": "llama3.1:8b", "model": "llama3.1:8b"}, {"name": "hf.co/a/B:Q4_K_M"}]})

    assert await pages.ids("ollama", None) == ("hf.co/a/B:Q4_K_M", "llama3.1:8b")
    assert pages.requests[0][0] == "GET /api/tags HTTP/1.1"


async def test_ids_that_cannot_be_sent_or_would_resolve_to_something_else_are_left_out(pages: Pages) -> None:
    listed = ["groq/compound", "openai/gpt-oss-120b", "a b", "../x", "", "groq/llama", "anthropic/claude", "x" * 201]
    pages.says({"data": [*({"id": name} for name in listed), {"id": 7}, {"id": None}, {}, "text", None, 3]})

    found = await pages.ids("groq")

    assert found == ("groq/compound", "openai/gpt-oss-120b")
    registry = build_registry({})
    assert [registry.resolve("groq", name).model for name in found] == list(found)


async def test_a_row_without_a_list_gives_its_models_and_asks_nobody(pages: Pages) -> None:
    assert await pages.ids("groq", models=("openai/gpt-oss-120b", "compound")) == ("compound", "openai/gpt-oss-120b")
    assert pages.requests == []


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama"])
@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>Sign in</title>",
        b"",
        b"null",
        b"3",
        b'"text"',
        b'{"data": 7}',
        b'{"models": {}}',
        b'{"error": {"message": "no"}}',
        b'{"data": [',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
async def test_a_success_that_is_no_list_is_an_invalid_response(pages: Pages, provider: str, body: bytes) -> None:
    with pytest.raises(InvalidProviderResponse) as caught:
        await pages.says(body).ids(provider)

    assert caught.value.origin.provider == provider
    assert "list of models" in caught.value.message
    assert "base URL" in caught.value.action


@pytest.mark.parametrize("status", ["203 Non-Authoritative", "206 Partial Content", "302 Found"])
async def test_another_status_below_400_is_an_invalid_response_too(pages: Pages, status: str) -> None:
    with pytest.raises(InvalidProviderResponse):
        await pages.says(openai_list("gpt-4o"), status=status).ids("openai")


async def test_a_refusal_is_typed_and_carries_no_key(pages: Pages) -> None:
    message = f"Incorrect API key provided: {KEY.reveal()}"
    pages.says({"error": {"message": message, "code": "invalid_api_key"}}, status="401 Unauthorized")

    with pytest.raises(AuthenticationFailed) as caught:
        await pages.ids("openai")

    assert caught.value.origin.upstream_status == 401
    assert KEY.reveal() not in f"{caught.value} {caught.value.origin}"


async def test_a_list_that_breaks_off_is_an_error_and_not_a_short_list(pages: Pages) -> None:
    with pytest.raises(StreamInterrupted):
        await pages.says(openai_list("gpt-4o"), declared=999_999).ids("openai")


async def test_a_list_that_is_too_long_is_cut_off_and_refused(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_list, "BODY_LIMIT", 100)

    with pytest.raises(InvalidProviderResponse) as caught:
        await pages.says(openai_list(*(f"gpt-{number}" for number in range(20)))).ids("openai")

    assert "more than 100 bytes" in caught.value.message
    assert "base URL" not in caught.value.sentence


async def test_a_silent_provider_is_given_up(pages: Pages) -> None:
    pages.hang = True

    with pytest.raises(ProviderTimeout):
        await pages.ids("openai", timeouts=Timeouts(first_token_s=0.05))


async def test_the_whole_list_has_one_deadline(pages: Pages) -> None:
    pages.hang = True

    with pytest.raises(ProviderTimeout) as caught:
        await pages.ids("openai", seconds=0.05)

    assert "0.05 s" in caught.value.message


async def test_a_provider_that_is_not_there_is_unreachable() -> None:
    async with serving_pages() as gone:
        base = gone.base
    row = replace(build_registry({}).get("openai"), api_base=base)

    async with Transport() as transport:
        with pytest.raises(ProviderUnreachable):
            await list_models(transport, row, KEY, seconds=10)


async def test_no_error_of_the_list_is_untyped(pages: Pages) -> None:
    pages.answers.append(b"HTTP/1.1 banana\r\n\r\n")

    with pytest.raises(GatewayError):
        await pages.ids("openai")
