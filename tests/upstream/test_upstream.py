"""The scripted upstream speaks each wire so that the providers' own SDKs understand it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import orjson
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock
from openai import AsyncOpenAI
from openai.types.responses import ResponseFunctionToolCall

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from tests.upstream import Answer, Call, Upstream, refused_port, tls_upstream
from tests.upstream.asking import ask, post

CALLS = (
    Call("call_A1", "list_devices", ('{"site":', ' "München', ' 🏙️"}')),
    Call("call_B2", "get_time", ('{"zone": ', '"UTC"}')),
)
RICH = Answer(
    texts=("Grüße ", "👩‍🚀🎉", " 终わり"),
    reasoning=("Let me ", "think 🤔."),
    tool_calls=CALLS,
    interleaved=True,
    usage=Usage(input=100, output=50, cached=40, reasoning=10),
)
ARGUMENTS = [{"site": "München 🏙️"}, {"zone": "UTC"}]
USER: Any = [{"role": "user", "content": "hi"}]
SPLITS = pytest.mark.parametrize("split", [None, 1, 7])


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as running:
        yield running


def split_of(answer: Answer, split: int | None) -> Answer:
    return Answer(
        texts=answer.texts,
        reasoning=answer.reasoning,
        tool_calls=answer.tool_calls,
        interleaved=answer.interleaved,
        usage=answer.usage,
        split=split,
    )


@SPLITS
async def test_openai_sdk_reads_a_chat_answer(upstream: Upstream, split: int | None) -> None:
    upstream.script = split_of(RICH, split)
    text, thought, finish, usage = "", "", None, None
    calls: dict[int, dict[str, str]] = {}
    async with AsyncOpenAI(base_url=f"{upstream.base_url}/v1", api_key="sk-test", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="gpt-x", messages=USER, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                thought += str(getattr(choice.delta, "reasoning_content", ""))
                finish = choice.finish_reason or finish
                for piece in choice.delta.tool_calls or ():
                    call = calls.setdefault(piece.index, {"id": piece.id or "", "arguments": ""})
                    call["arguments"] += (piece.function and piece.function.arguments) or ""
    assert (text, thought, finish) == (RICH.text, "Let me think 🤔.", "tool_calls")
    assert [calls[index]["id"] for index in (0, 1)] == ["call_A1", "call_B2"]
    assert [orjson.loads(calls[index]["arguments"]) for index in (0, 1)] == ARGUMENTS
    assert usage
    assert usage.prompt_tokens_details
    assert (usage.prompt_tokens, usage.completion_tokens) == (100, 50)
    assert usage.prompt_tokens_details.cached_tokens == 40
    recorded = upstream.requests[0]
    assert (recorded.wire, recorded.model, recorded.api_key) == (Wire.OPENAI_CHAT, "gpt-x", "sk-test")


async def test_usage_is_streamed_by_openai_chat_only_when_asked_for(upstream: Upstream) -> None:
    body = {"model": "m", "stream": True, "messages": USER}
    plain = await post(upstream, "/v1/chat/completions", body)
    asked = await post(upstream, "/v1/chat/completions", body | {"stream_options": {"include_usage": True}})
    assert b'"usage"' not in plain
    assert b'"prompt_tokens":11' in asked


@SPLITS
async def test_openai_sdk_reads_a_responses_answer(upstream: Upstream, split: int | None) -> None:
    upstream.script = split_of(RICH, split)
    async with (
        AsyncOpenAI(base_url=f"{upstream.base_url}/v1", api_key="sk-test", max_retries=0) as client,
        client.responses.stream(model="gpt-x", input="hi") as stream,
    ):
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    calls = [item for item in final.output if isinstance(item, ResponseFunctionToolCall)]
    assert final.output_text == RICH.text
    assert [(call.call_id, call.name) for call in calls] == [("call_A1", "list_devices"), ("call_B2", "get_time")]
    assert [orjson.loads(call.arguments) for call in calls] == ARGUMENTS
    assert final.usage
    assert (final.usage.input_tokens, final.usage.output_tokens, final.usage.total_tokens) == (100, 50, 150)
    assert final.usage.input_tokens_details.cached_tokens == 40
    assert final.usage.output_tokens_details.reasoning_tokens == 10
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.reasoning_summary_text.delta" in kinds


async def test_a_responses_answer_that_is_too_long_is_incomplete(upstream: Upstream) -> None:
    upstream.script = Answer(finish=FinishReason.LENGTH)
    events = await ask(upstream, Wire.OPENAI_RESPONSES)
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@SPLITS
async def test_anthropic_sdk_reads_an_answer(upstream: Upstream, split: int | None) -> None:
    upstream.script = split_of(RICH, split)
    async with (
        AsyncAnthropic(base_url=upstream.base_url, api_key="sk-ant", max_retries=0) as client,
        client.messages.stream(model="claude-x", max_tokens=99, messages=USER) as stream,
    ):
        final = await stream.get_final_message()
    thinking, text, *calls = final.content
    assert isinstance(thinking, ThinkingBlock)
    assert (thinking.thinking, bool(thinking.signature)) == ("Let me think 🤔.", True)
    assert isinstance(text, TextBlock)
    assert text.text == RICH.text
    uses = [call for call in calls if isinstance(call, ToolUseBlock)]
    assert [use.id for use in uses] == ["call_A1", "call_B2"]
    assert [use.input for use in uses] == ARGUMENTS
    assert final.stop_reason == "tool_use"
    assert (final.usage.input_tokens, final.usage.cache_read_input_tokens) == (60, 40)
    assert final.usage.output_tokens == 50
    assert upstream.requests[0].api_key == "sk-ant"


async def test_anthropic_starts_with_one_output_token_and_ends_with_all(upstream: Upstream) -> None:
    events = await ask(upstream, Wire.ANTHROPIC_MESSAGES)
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert events[-2]["usage"]["output_tokens"] == 7
    assert events[-1] == {"type": "message_stop"}


@SPLITS
async def test_gemini_answer(upstream: Upstream, split: int | None) -> None:
    upstream.script = split_of(RICH, split)
    events = await ask(upstream, Wire.GEMINI)
    parts = [part for event in events for part in event["candidates"][0]["content"]["parts"]]
    assert "".join(part["text"] for part in parts if part.get("thought")) == "Let me think 🤔."
    assert "".join(part["text"] for part in parts if "text" in part and not part.get("thought")) == RICH.text
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    assert [call["args"] for call in calls] == ARGUMENTS
    assert [event["candidates"][0].get("finishReason") for event in events][-2:] == [None, "STOP"]
    assert events[-1]["usageMetadata"] == {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 40,
        "thoughtsTokenCount": 10,
        "totalTokenCount": 150,
    }
    assert upstream.requests[0].model == "gemini-x"


@SPLITS
async def test_ollama_answer(upstream: Upstream, split: int | None) -> None:
    upstream.script = split_of(RICH, split)
    lines = await ask(upstream, Wire.OLLAMA)
    assert "".join(line["message"]["content"] for line in lines) == RICH.text
    assert "".join(line["message"].get("thinking", "") for line in lines) == "Let me think 🤔."
    calls = [call["function"] for line in lines for call in line["message"].get("tool_calls", ())]
    assert [call["arguments"] for call in calls] == ARGUMENTS
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert (lines[-1]["done_reason"], lines[-1]["prompt_eval_count"], lines[-1]["eval_count"]) == ("stop", 100, 50)


async def test_one_write_when_nothing_is_delayed_and_one_byte_pieces_when_asked(upstream: Upstream) -> None:
    upstream.scripts = [Answer(), Answer(split=1, texts=("👩‍🚀",))]
    async with httpx.AsyncClient() as client:
        sizes: list[list[int]] = []
        for _ in range(2):
            body = {"model": "m", "stream": True, "messages": USER}
            async with client.stream("POST", f"{upstream.base_url}/v1/chat/completions", json=body) as response:
                sizes.append([len(piece) async for piece in response.aiter_raw()])
    assert len(sizes[0]) == 1
    assert set(sizes[1]) == {1}
    assert upstream.connections == 1


async def test_scripts_are_taken_in_order_and_the_last_one_sticks(upstream: Upstream) -> None:
    upstream.scripts = [Answer(texts=("one",)), lambda recorded: Answer(texts=(f"number {recorded.number}",))]
    told = [await post(upstream, "/v1/chat/completions", {"model": "m"}) for _ in range(3)]
    said = [orjson.loads(body)["choices"][0]["message"]["content"] for body in told]
    assert said == ["one", "number 2", "number 3"]


async def test_model_lists_have_their_provider_s_shape(upstream: Upstream) -> None:
    async with httpx.AsyncClient(base_url=upstream.base_url) as client:

        async def get(path: str, **headers: str) -> dict[str, Any]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return cast("dict[str, Any]", (await client.get(path, headers=named)).json())

        openai = await get("/v1/models")
        anthropic = await get("/v1/models", anthropic_version="2023-06-01")
        gemini = await get("/v1beta/models", x_goog_api_key="k")
        tags = await get("/api/tags")
        show = (await client.post("/api/show", json={"model": "model-a"})).json()
        missing = await client.get("/nothing")
    assert [row["id"] for row in openai["data"]] == ["model-a", "model-b"]
    assert (anthropic["has_more"], anthropic["last_id"]) == (False, "model-b")
    assert [row["name"] for row in gemini["models"]] == ["models/model-a", "models/model-b"]
    assert [row["model"] for row in tags["models"]] == ["model-a", "model-b"]
    assert show["capabilities"] == ["completion", "tools"]
    assert missing.status_code == 404


async def test_a_client_that_leaves_is_noticed_at_once_even_while_the_script_sleeps(upstream: Upstream) -> None:
    upstream.script = Answer(first_delay=60)
    asking = asyncio.create_task(post(upstream, "/v1/chat/completions", {"model": "m", "stream": True}))
    await upstream.until(lambda: len(upstream.requests) == 1)
    assert upstream.open_sockets == 1
    asking.cancel()
    left = asyncio.get_running_loop().time()
    await upstream.until(lambda: upstream.open_sockets == 0)
    recorded = upstream.requests[0]
    assert recorded.client_left
    assert recorded.answered_at is None
    assert recorded.closed_at is not None
    assert recorded.closed_at - left < 1


async def test_a_client_that_reads_to_the_end_has_not_left(upstream: Upstream) -> None:
    await post(upstream, "/v1/chat/completions", {"model": "m", "stream": True})
    await upstream.until(lambda: upstream.open_sockets == 0)
    recorded = upstream.requests[0]
    assert recorded.answered_at is not None
    assert recorded.closed_at is not None
    assert not recorded.client_left


async def test_until_gives_up(upstream: Upstream) -> None:
    with pytest.raises(TimeoutError):
        await upstream.until(lambda: False, timeout=0.01)


async def test_a_body_may_end_with_the_connection(upstream: Upstream) -> None:
    upstream.script = Answer(chunked=False, delay=0.001)
    assert b"[DONE]" in await post(upstream, "/v1/chat/completions", {"model": "m", "stream": True})


async def test_leaving_the_block_ends_stalled_answers_and_their_tasks() -> None:
    before = asyncio.all_tasks()
    async with Upstream(Answer(first_delay=60)) as upstream:
        asking = asyncio.create_task(post(upstream, "/v1/chat/completions", {"model": "m", "stream": True}))
        await upstream.until(lambda: len(upstream.requests) == 1)
    with pytest.raises(httpx.HTTPError):
        await asking
    assert asyncio.all_tasks() == before


async def test_a_script_that_fails_is_raised_at_the_end_of_the_block() -> None:
    def broken(_: object) -> Answer:
        raise LookupError

    with pytest.raises(LookupError):  # noqa: PT012 - the block's end is what raises
        async with Upstream(broken) as upstream:
            with pytest.raises(httpx.HTTPError):
                await post(upstream, "/v1/chat/completions", {"model": "m"})


async def test_refused_port_and_tls() -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{refused_port()}/")
        async with tls_upstream() as upstream:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(f"{upstream.base_url}/v1/models")
    async with tls_upstream() as upstream, httpx.AsyncClient(verify=False) as trusting:  # noqa: S501 - that it is served at all
        assert (await trusting.get(f"{upstream.base_url}/v1/models")).status_code == 200


async def test_it_is_fast(upstream: Upstream) -> None:
    started = time.monotonic()
    async with httpx.AsyncClient() as client:
        for _ in range(50):
            body = {"model": "m", "stream": True}
            await client.post(f"{upstream.base_url}/v1/chat/completions", json=body)
    assert time.monotonic() - started < 5
    assert (len(upstream.requests), upstream.connections) == (50, 1)
