"""No id that is accepted can leave the place it is put in."""

from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.providers import base_url, model_id
from app.providers.provider import Wire

WIRES = list(Wire)
REAL = [
    "gpt-6-luna",
    "claude-haiku-4-5",
    "openai/gpt-oss-120b",
    "accounts/fireworks/models/glm-5p3-flash",
    "deepseek-ai/DeepSeek-V4.1-Flash-1017",
    "openai/gpt-oss-120b:cerebras",
    "llama3.1:8b-instruct-q4_K_M",
    "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",
    "ft:gpt-4o-mini-2024-07-18:acme::B1",
    "model@20260101",
    "a+b",
]
BAD = [
    "",
    " ",
    "a b",
    "a\n",
    "a\x00",
    "a\x7f",
    "/a",
    "a/",
    "a//b",
    "../a",
    "a/../b",
    "a/./b",
    "a/..",
    "a..b",
    "a%2f",
    "a%2e%2e",
    "a?b=c",
    "a#b",
    "a\\b",
    ".a",
    "-a",
    ":a",
    "a/.b",
    "ä",
    "a\u2024b",
    "\uff0fa",
    "a" * 201,
]
URLISH = st.text(st.sampled_from("abZ09._:@/+-%?#\\ \n\t\x00&=;ä\u2025"), max_size=30)


@pytest.mark.parametrize("model", REAL)
def test_ids_in_use_are_accepted(model: str) -> None:
    model_id.check(model, Wire.OPENAI_CHAT)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("model", BAD)
def test_ids_that_could_escape_are_refused_by_field(model: str, wire: Wire) -> None:
    with pytest.raises(InvalidInput) as caught:
        model_id.check(model, wire)

    assert list(caught.value.fields) == ["model"]
    assert caught.value.http_status == 400
    assert len(model) < 3 or model not in caught.value.sentence + str(caught.value.fields)


def test_two_hundred_characters_are_the_limit() -> None:
    model_id.check("a" * 200, Wire.GEMINI)


@pytest.mark.parametrize("model", ["a/b", "a:b", "a@b", "a+b", "models/a/b", "models/models/a", "tunedModels/a"])
def test_a_gemini_id_is_one_plain_part_of_the_path(model: str) -> None:
    with pytest.raises(InvalidInput):
        model_id.check(model, Wire.GEMINI)


@given(model=st.one_of(URLISH, st.text(max_size=30), st.sampled_from(REAL)), wire=st.sampled_from(WIRES))
@example(model="models/gemini-3.5-flash-lite", wire=Wire.GEMINI)
def test_no_accepted_id_changes_a_url(model: str, wire: Wire) -> None:
    try:
        model_id.check(model, wire)
    except InvalidInput:
        return
    base = "https://llm.example.org/prefix/v1"
    plain = urlsplit(base_url.endpoint(base, wire, "MODEL"))
    called = base_url.endpoint(base, wire, model)
    expected = plain.path.replace("MODEL", model.removeprefix("models/"))

    assert urlsplit(called)[:2] == plain[:2]
    assert (urlsplit(called).path, urlsplit(called).query, urlsplit(called).fragment) == (expected, plain.query, "")
    assert (yarl.URL(called).raw_path, yarl.URL(called).raw_query_string) == (expected, plain.query)
    assert httpx.URL(called).raw_path.decode() == (f"{expected}?{plain.query}" if plain.query else expected)


@given(model=st.one_of(URLISH, st.sampled_from(REAL)))
def test_an_accepted_id_in_a_path_stays_in_its_place(model: str) -> None:
    try:
        model_id.check(model, Wire.OPENAI_CHAT)
    except InvalidInput:
        return
    url = f"https://llm.example.org/v1/models/{model}/end?x=1"

    assert yarl.URL(url).raw_path == f"/v1/models/{model}/end"
    assert httpx.URL(url).raw_path.decode() == f"/v1/models/{model}/end?x=1"
