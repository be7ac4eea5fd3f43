"""What each provider's list says beyond ids, from pages as the providers document them; and odd pages."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config_file import ProviderTable
from app.errors import GatewayError
from app.providers.model_facts import read_entry
from app.providers.model_info import ModelInfo, ModelList, ModelSource, ModelStatus, Price
from app.providers.models_list import fetch_models
from app.providers.provider import ListShape
from app.providers.registry import build_registry
from app.providers.transport import Transport
from tests.providers.list_pages import KEY, Pages, serving_pages


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving_pages() as found:
        yield found


async def fetch(pages: Pages, provider: str) -> ModelList:
    row = build_registry({provider: ProviderTable(api_base=pages.base)}).get(provider)
    async with Transport() as transport:
        return await fetch_models(transport, row, KEY, seconds=10)


def live(model: str, **facts: Any) -> ModelInfo:
    all_facts: dict[str, Any] = {"id": model, "source": ModelSource.LIVE, "status": ModelStatus.AVAILABLE, **facts}
    return ModelInfo(**all_facts)


async def test_openai_says_ids_only(pages: Pages) -> None:
    pages.says({"data": [{"id": "gpt-6-luna", "object": "model", "created": 1_795_000_000, "owned_by": "openai"}]})

    assert (await fetch(pages, "openai")).models == {"gpt-6-luna": live("gpt-6-luna")}


async def test_anthropic_says_names_page_by_page(pages: Pages) -> None:
    one = {"type": "model", "id": "claude-haiku-4-5-20251001", "display_name": "Claude Haiku 4.5"}
    pages.says({"data": [one], "has_more": True, "first_id": one["id"], "last_id": one["id"]})
    pages.says({"data": [{"type": "model", "id": "claude-b", "display_name": 7}], "has_more": False})

    listed = await fetch(pages, "anthropic")

    assert listed.whole
    assert list(listed.models.values()) == [live("claude-b"), live(str(one["id"]), label="Claude Haiku 4.5")]


async def test_gemini_says_limits(pages: Pages) -> None:
    model = {
        "name": "models/gemini-3.5-flash-lite",
        "displayName": "Gemini 3.5 Flash-Lite",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "thinking": True,
    }
    pages.says({"models": [model, model | {"name": "models/gemini-embedding", "supportedGenerationMethods": 5}]})

    listed = await fetch(pages, "gemini")

    assert list(listed.models.values()) == [
        live(
            "gemini-3.5-flash-lite",
            label="Gemini 3.5 Flash-Lite",
            context_tokens=1_048_576,
            max_output_tokens=65_536,
        )
    ]
    assert "gemini-embedding" in listed.named


async def test_groq_says_windows_and_what_is_off(pages: Pages) -> None:
    on = {"id": "openai/gpt-oss-120b", "active": True, "context_window": 131_072, "max_completion_tokens": 65_536}
    pages.says({"data": [on, {"id": "llama-off", "active": False}, {"id": "zero", "context_window": 0}]})

    listed = await fetch(pages, "groq")

    assert list(listed.models.values()) == [
        live("openai/gpt-oss-120b", context_tokens=131_072, max_output_tokens=65_536),
        live("zero"),
    ]


async def test_mistral_says_abilities_ends_and_aliases(pages: Pages) -> None:
    chat = {"completion_chat": True, "function_calling": True, "vision": False}
    large = {
        "id": "mistral-large-2512",
        "name": "mistral-large-2512",
        "capabilities": chat,
        "max_context_length": 262_144,
        "deprecation": None,
        "aliases": ["mistral-large-latest"],
    }
    old = {"id": "old", "capabilities": chat | {"function_calling": False}, "deprecation": "2026-11-30T12:00:00Z"}
    pages.says({"data": [large, old]})

    listed = await fetch(pages, "mistral")

    assert list(listed.models.values()) == [
        live("mistral-large-2512", label="mistral-large-2512", context_tokens=262_144, tools=True),
        live("old", tools=False, status=ModelStatus.DEPRECATED),
    ]
    assert listed.named == {"mistral-large-2512", "mistral-large-latest", "old"}


async def test_openrouter_says_prices_and_parameters(pages: Pages) -> None:
    haiku = {
        "id": "anthropic/claude-haiku-4.5",
        "name": "Anthropic: Claude Haiku 4.5",
        "context_length": 200_000,
        "pricing": {"prompt": "0.000001", "completion": "0.000005"},
        "supported_parameters": ["max_tokens", "tools"],
        "top_provider": {"context_length": 200_000, "max_completion_tokens": 64_000},
    }
    auto = {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}, "supported_parameters": ["stop"]}
    pages.says({"data": [haiku, auto]})

    assert list((await fetch(pages, "openrouter")).models.values()) == [
        live(
            "anthropic/claude-haiku-4.5",
            label="Anthropic: Claude Haiku 4.5",
            context_tokens=200_000,
            max_output_tokens=64_000,
            tools=True,
            price=Price(input=1.0, output=5.0),
        ),
        live("openrouter/auto", tools=False),
    ]


async def test_ollama_and_zen_say_ids_only(pages: Pages) -> None:
    details = {"format": "gguf", "family": "llama", "parameter_size": "8.0B"}
    pages.says({"models": [{"name": "llama3.1:latest", "model": "llama3.1:latest", "size": 4_661, "details": details}]})
    assert (await fetch(pages, "ollama")).models == {"llama3.1:latest": live("llama3.1:latest")}

    pages.answers.clear()
    pages.says({"object": "list", "data": [{"id": "gpt-6-luna", "object": "model", "owned_by": "opencode"}]})
    assert (await fetch(pages, "opencode_zen")).models == {"gpt-6-luna": live("gpt-6-luna")}


async def test_a_list_that_was_cut_says_so(pages: Pages) -> None:
    for number in range(12):
        pages.says({"data": [{"id": f"claude-{number}"}], "has_more": True, "last_id": f"claude-{number}"})
    assert not (await fetch(pages, "anthropic")).whole

    pages.answers.clear()
    pages.says({"data": [{"id": f"gpt-{number}"} for number in range(6_000)]})
    listed = await fetch(pages, "openai")
    assert (len(listed.models), listed.whole) == (5_000, False)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["tools", "1e-6"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    *("id", "name", "model", "display_name", "displayName", "type", "active", "capabilities", "pricing", "aliases"),
    *("context_window", "context_length", "max_context_length", "max_completion_tokens", "top_provider", "deprecation"),
    *("inputTokenLimit", "outputTokenLimit", "supportedGenerationMethods", "supported_parameters"),
)
NESTED = st.dictionaries(
    st.sampled_from(["completion_chat", "function_calling", "prompt", "completion", "max_completion_tokens"]), JSON
)
MODEL = st.dictionaries(st.sampled_from(FIELDS), JSON | NESTED, max_size=8)


@given(st.sampled_from(ListShape), MODEL)
@settings(max_examples=300)
def test_no_entry_is_too_odd(shape: ListShape, model: dict[str, Any]) -> None:
    entry = read_entry(shape, model)

    if entry is None:
        return
    info = entry.info
    assert 0 < len(info.id) <= 200
    assert info.context_tokens is None or 1_000 <= info.context_tokens <= 100_000_000
    assert info.max_output_tokens is None or 0 < info.max_output_tokens <= 100_000_000
    assert info.price is None or 0 <= info.price.input <= 1_000_000
    assert info.label is None or info.label.isprintable()
    orjson.dumps([info.label, info.context_tokens, info.tools, info.status])


@given(
    st.sampled_from(["openai", "anthropic", "gemini", "ollama"]),
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("data", "models"), st.lists(MODEL | JSON, max_size=4) | JSON),
            **dict.fromkeys(("has_more", "last_id", "nextPageToken"), JSON),
        },
    )
    | JSON,
)
@settings(max_examples=60, deadline=None)
def test_an_odd_list_is_a_list_or_a_typed_error(provider: str, body: Any) -> None:
    async def ask() -> None:
        async with serving_pages() as found:
            found.says(orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS))
            try:
                listed = await fetch(found, provider)
            except GatewayError:
                return
            assert listed.ids == tuple(sorted(listed.models))

    asyncio.run(ask())
