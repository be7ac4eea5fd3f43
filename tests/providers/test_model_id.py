"""No id that is accepted can leave the place it is put in."""

from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.providers import model_id
from app.providers.model import ModelClient
from app.providers.provider import Wire
from tests.providers.calls import call, request_to, route_to
from tests.upstream import Upstream

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


@pytest.mark.parametrize("model", ["a/b", "a:b", "a@b", "a+b", "models/a", "models/a/b", "tunedModels/a"])
def test_a_gemini_id_is_one_plain_part_of_the_path(model: str) -> None:
    with pytest.raises(InvalidInput):
        model_id.check(model, Wire.GEMINI)


@given(model=st.one_of(URLISH, st.text(max_size=30), st.sampled_from(REAL)), wire=st.sampled_from(WIRES))
def test_an_accepted_id_in_a_path_stays_in_its_place(model: str, wire: Wire) -> None:
    try:
        model_id.check(model, wire)
    except InvalidInput:
        return
    url = f"https://llm.example.org/v1/models/{model}:end?x=1"

    assert urlsplit(url)[1:] == ("llm.example.org", f"/v1/models/{model}:end", "x=1", "")
    assert yarl.URL(url).raw_path_qs == f"/v1/models/{model}:end?x=1"
    assert httpx.URL(url).raw_path.decode() == f"/v1/models/{model}:end?x=1"


@pytest.mark.parametrize("model", ["gemini-3.5-flash-lite", "a._-.-", "models", "v1beta", "A" * 200, "0"])
async def test_a_gemini_call_goes_to_its_model_and_nowhere_else(
    lane: ModelClient, upstream: Upstream, model: str
) -> None:
    model_id.check(model, Wire.GEMINI)

    outcome = await call(lane, request_to(route_to(upstream.base_url, Wire.GEMINI, model=model)))

    assert outcome.error is None
    assert [sent.path for sent in upstream.requests] == [f"/v1beta/models/{model}:streamGenerateContent?alt=sse"]


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire is not Wire.GEMINI])
@pytest.mark.parametrize("model", ["a:b@c+d/e", "v1/models", "x/api/chat", "a" * 200])
async def test_on_the_other_wires_the_id_is_no_part_of_the_url(
    lane: ModelClient, upstream: Upstream, wire: Wire, model: str
) -> None:
    model_id.check(model, wire)
    for name in ("test-model", model):
        await call(lane, request_to(route_to(upstream.base_url, wire, model=name)))

    usual, sent = upstream.requests
    assert sent.path == usual.path
    assert sent.model == model
