"""What a list says of the caller's key, or with half a character, is not kept; everything beside it is."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config_file import ProviderTable
from app.providers.key_echo import KeyEcho
from app.providers.list_texts import without_unfit
from app.providers.model_info import ModelList
from app.providers.models_list import fetch_models
from app.providers.registry import build_registry
from app.providers.transport import Transport
from app.secret import Secret
from tests.providers.list_pages import KEY, Pages, serving_pages

VALUE = KEY.reveal()
ECHOES = (
    VALUE,
    f"model-for-{VALUE}-only",
    "".join(f"%{ord(letter):02x}" for letter in VALUE),
    VALUE.replace("-", "%2d"),
    base64.b64encode(VALUE.encode()).decode(),
)
HALF = rb"\ud83d"


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving_pages() as found:
        yield found


async def fetch(pages: Pages, provider: str, key: Secret = KEY) -> ModelList:
    row = build_registry({provider: ProviderTable(api_base=pages.base)}).get(provider)
    async with Transport() as transport:
        return await fetch_models(transport, row, key, seconds=10)


def entry(shape: str, id_: str, label: str) -> dict[str, Any]:
    match shape:
        case "gemini":
            return {"name": f"models/{id_}", "displayName": label, "supportedGenerationMethods": ["generateContent"]}
        case "anthropic":
            return {"id": id_, "display_name": label}
        case _:
            return {"id": id_, "name": label, "aliases": [label, "other-name"]}


@pytest.mark.parametrize("provider", ["openrouter", "mistral", "anthropic", "gemini"])
@pytest.mark.parametrize("echo", ECHOES)
async def test_a_list_that_names_the_key_is_kept_without_it(pages: Pages, provider: str, echo: str) -> None:
    rows = [entry(provider, echo, "Fine"), entry(provider, "a-model", f"{'x' * 190} {echo}")]
    pages.says({"models" if provider == "gemini" else "data": rows})

    found = await fetch(pages, provider)

    assert found.ids == ("a-model",)
    assert found.models["a-model"].label is None
    assert echo.lower() not in str(found).lower()
    assert VALUE[:8] not in str(found)


async def test_a_short_key_is_a_word_like_any_other(pages: Pages) -> None:
    pages.says({"data": [entry("openai", "gpt-4o", "GPT")]})

    assert (await fetch(pages, "openai", Secret("gpt-4o"))).ids == ("gpt-4o",)


@pytest.mark.parametrize("following", [orjson.dumps(VALUE), b'"' + HALF + b'"'])
async def test_a_next_page_that_no_url_may_name_is_not_asked_for(pages: Pages, following: bytes) -> None:
    pages.says(b'{"data": [{"id": "claude-a"}], "has_more": true, "last_id": ' + following + b"}")

    found = await fetch(pages, "anthropic")

    assert (found.ids, found.whole, len(pages.requests)) == (("claude-a",), False, 1)


@pytest.mark.parametrize("half", [HALF, b"\xed\xa0\xbd"])
async def test_half_a_character_costs_its_own_entry_only(pages: Pages, half: bytes) -> None:
    rows = b'{"id": "gpt-a"}, {"id": "gpt-' + half + b'"}, {"id": "gpt-b", "name": "' + half + b'"}'
    pages.says(b'{"data": [' + rows + b"]}")

    found = await fetch(pages, "openai")

    assert found.ids == ("gpt-a", "gpt-b")
    assert str(found).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None, max_codepoint=0xFFFF), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=5))
def test_any_entry_is_kept_but_for_its_unfit_texts(model: dict[str, Any]) -> None:
    kept = without_unfit(model | {"id": "a", "name": VALUE}, KeyEcho(KEY))

    assert "name" not in kept
    for name, value in model.items():
        if name not in {"id", "name"} and not isinstance(value, str | list) and value is not None:
            assert kept[name] == value
