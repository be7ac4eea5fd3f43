"""The demo upstream, asked over real sockets by httpx and by OpenAI's own client."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import orjson
import pytest
import pytest_asyncio

from app.demo.script import MODELS, STATUSES, TOOL_CALLS, WORDS, Manner, choose
from app.demo.server import serving_demo
from app.demo.upstream import Pace

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one server for all: starting one takes longer than asking it
FAST = Pace(word_s=0, slow_s=0.2, stall_s=30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def base_url() -> AsyncIterator[str]:
    async with serving_demo(FAST) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def http(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url, timeout=5, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(base_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    inner = httpx.AsyncClient(timeout=5, trust_env=False)
    async with openai.AsyncOpenAI(api_key="demo", base_url=base_url, max_retries=0, http_client=inner) as client:
        yield client


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "demo-small", "messages": [{"role": "user", "content": text}], **more}


async def stream(http: httpx.AsyncClient, text: str, **more: Any) -> list[Any]:
    answer = await http.post("chat/completions", json=asking(text, stream=True, **more))

    assert answer.headers["content-type"].startswith("text/event-stream")

    frames = answer.text.split("\n\n")

    assert frames.pop() == ""
    assert frames.pop() == "data: [DONE]"

    return [orjson.loads(frame.removeprefix("data: ")) for frame in frames]


async def read(answer: httpx.Response) -> tuple[bytes, httpx.HTTPError | None]:
    """Give what arrives, and how it ends."""
    received = b""
    try:
        async for piece in answer.aiter_raw():
            received += piece
    except httpx.HTTPError as failure:
        return received, failure
    return received, None


async def test_openais_client_reads_a_plain_answer(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model="demo-large", messages=[{"role": "user", "content": "Hello"}])

    assert answer.choices[0].finish_reason == "stop"
    assert "demo model" in (answer.choices[0].message.content or "")
    assert answer.usage
    assert answer.usage.total_tokens > answer.usage.completion_tokens > 50


async def test_openais_client_reads_a_stream_that_adds_up_to_the_plain_answer(sdk: openai.AsyncOpenAI) -> None:
    text, last = "", None
    async for chunk in await sdk.chat.completions.create(
        model="demo-small", messages=[{"role": "user", "content": "unicode"}], stream=True
    ):
        text += chunk.choices[0].delta.content or ""
        last = chunk.choices[0].finish_reason

    assert text == choose([{"role": "user", "content": "unicode"}]).text
    assert last == "stop"


async def test_models_are_listed(sdk: openai.AsyncOpenAI) -> None:
    assert list(MODELS) == [model.id async for model in sdk.models.list()]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
async def test_openais_client_raises_its_own_class(
    sdk: openai.AsyncOpenAI, status: int, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind):
        await sdk.chat.completions.create(
            model="demo-small", messages=[{"role": "user", "content": f"error {status}"}], stream=True
        )


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_can_be_asked_for(http: httpx.AsyncClient, status: int) -> None:
    answer = await http.post("chat/completions", json=asking(f"Please error {status}!", stream=True))

    assert answer.status_code == status
    assert {"message", "type", "param", "code"} == answer.json()["error"].keys()
    assert ("2" if status == 429 else None) == answer.headers.get("retry-after")


async def test_parallel_tool_calls_come_in_interleaved_pieces(http: httpx.AsyncClient) -> None:
    deltas = [chunk["choices"][0]["delta"] for chunk in await stream(http, "Use a tool")]
    pieces = [call for delta in deltas for call in delta.get("tool_calls", ())]
    arguments = {0: "", 1: ""}
    for piece in pieces:
        arguments[piece["index"]] += piece["function"]["arguments"]

    assert [piece["index"] for piece in pieces][:4] == [0, 1, 0, 1]
    assert {0: TOOL_CALLS[0].arguments, 1: TOOL_CALLS[1].arguments} == arguments
    assert all(orjson.loads(text) for text in arguments.values())


async def test_the_model_talks_once_it_has_the_results_of_its_tools(http: httpx.AsyncClient) -> None:
    said = [{"role": "user", "content": "tool"}, {"role": "tool", "tool_call_id": "x", "content": "18 degrees"}]

    answer = (await http.post("chat/completions", json={"model": "demo-small", "messages": said})).json()

    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("word", "reason"), [("length", "length"), ("filter", "content_filter"), ("tool", "tool_calls")]
)
async def test_finish_reasons(http: httpx.AsyncClient, word: str, reason: str) -> None:
    chunks = await stream(http, word)

    assert chunks[-1]["choices"][0]["finish_reason"] == reason
    assert all("usage" not in chunk for chunk in chunks)


async def test_usage_comes_when_asked_for(http: httpx.AsyncClient) -> None:
    chunks = await stream(http, "think", stream_options={"include_usage": True})

    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 10
    assert "reasoning_content" in chunks[1]["choices"][0]["delta"]


async def test_cut_drops_the_connection_without_an_end(http: httpx.AsyncClient) -> None:
    async with http.stream("POST", "chat/completions", json=asking("cut", stream=True)) as answer:
        received, failure = await read(answer)

    assert isinstance(failure, httpx.RemoteProtocolError)

    assert b'"content"' in received
    assert b'finish_reason":"' not in received
    assert b"[DONE]" not in received


async def test_stall_is_silent_in_the_middle_and_ends_when_the_reader_leaves(http: httpx.AsyncClient) -> None:
    async with http.stream("POST", "chat/completions", json=asking("stall", stream=True), timeout=0.3) as answer:
        received, failure = await read(answer)

    assert isinstance(failure, httpx.ReadTimeout)
    assert b'"content"' in received


@pytest.mark.parametrize(("word", "media", "length"), [("html", "text/html", 101), ("empty", "text/event-stream", 0)])
async def test_a_success_status_without_an_answer(http: httpx.AsyncClient, word: str, media: str, length: int) -> None:
    answer = await http.post("chat/completions", json=asking(word, stream=True))

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media)
    assert len(answer.content) == length


async def test_slow_waits_before_the_first_word(http: httpx.AsyncClient) -> None:
    began = time.monotonic()
    await stream(http, "slow")

    assert time.monotonic() - began >= FAST.slow_s


async def test_long_is_long(http: httpx.AsyncClient) -> None:
    assert len(await stream(http, "long")) > 5 * len(await stream(http, "short"))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"{}", b'{"model": "demo-small", "messages": []}', b'{"model": 1, "messages": [1]}', b"\xff"],
)
async def test_a_bad_request_is_400(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("chat/completions", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_an_unknown_model_is_404(http: httpx.AsyncClient) -> None:
    answer = await http.post("chat/completions", json=asking("Hello") | {"model": "gpt-4o"})

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


async def test_help_names_every_word_and_the_words_do_what_help_says() -> None:
    listed = choose([{"role": "user", "content": [{"type": "text", "text": "HELP me"}]}]).text

    assert all(f"- {word}: {meaning}" in listed for word, meaning in WORDS.items())
    assert {"html", "empty", "cut", "stall"} == {manner.value for manner in Manner} - {"whole"}
    assert all(
        choose([{"role": "user", "content": word}]) != choose([{"role": "user", "content": ""}]) for word in WORDS
    )


@pytest.mark.parametrize("odd", [[], [None], [{"role": "user"}], [{"role": "user", "content": [1, {"type": "image"}]}]])
async def test_odd_messages_get_the_ordinary_answer(odd: list[object]) -> None:
    assert choose([{"role": "user", "content": ""}]) == choose(odd)
