"""What the wires say about the end of an answer is taken literally: an end that nobody knows is not an end."""

import json
import time
from typing import Any

import pytest

from app.errors import NOWHERE
from app.events import FinishReason, Usage
from app.providers.provider import Wire
from app.providers.wires.reader import EVENT_LIMIT, WireReader
from app.providers.wires.reading import count


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def chat(reason: str | None, **more: Any) -> bytes:
    text = {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}
    end: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **more}
    return sse(text, end) + b"data: [DONE]\n\n"


def messages(reason: str | None) -> bytes:
    return sse(
        {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    )


def read(wire: Wire, body: bytes) -> WireReader:
    reader = WireReader(wire, {}, origin=NOWHERE, key=None)
    reader.feed(body)
    reader.end()
    return reader


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", FinishReason.STOP),
        ("eos", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("model_length", FinishReason.LENGTH),
        ("STOP", FinishReason.STOP),
    ],
)
def test_a_known_reason_is_an_end(reason: str, finish: FinishReason) -> None:
    reader = read(Wire.OPENAI_CHAT, chat(reason))

    assert (reader.error, reader.reading.finish) == (None, finish)


@pytest.mark.parametrize(
    ("wire", "body", "code"),
    [
        (Wire.OPENAI_CHAT, chat("insufficient_system_resource"), "provider_overloaded"),
        (Wire.OPENAI_CHAT, chat("error"), "provider_internal_error"),
        (Wire.OPENAI_CHAT, chat("something_new"), "provider_internal_error"),
        (Wire.OPENAI_CHAT, chat(None), "stream_interrupted"),
        (Wire.ANTHROPIC_MESSAGES, messages(None), "stream_interrupted"),
        (Wire.ANTHROPIC_MESSAGES, messages("something_new"), "provider_internal_error"),
        (Wire.GEMINI, sse({"candidates": [{"finishReason": "OTHER"}]}), "provider_internal_error"),
    ],
    ids=["overloaded", "error", "unknown", "none", "stop-without-reason", "unknown-stop", "other"],
)
def test_an_end_that_nobody_knows_is_never_complete(wire: Wire, body: bytes, code: str) -> None:
    reader = read(wire, body)

    assert reader.error is not None
    assert reader.error.code == code
    assert reader.reading.finish is None


CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (Wire.OPENAI_CHAT, sse({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}) + chat("stop")),
        (
            Wire.OPENAI_RESPONSES,
            sse(
                {"type": "response.output_item.done", "output_index": 0, "item": CALL},
                {"type": "response.completed", "response": {"output": []}},
            ),
        ),
    ],
    ids=["a plain stop", "told at its end"],
)
def test_an_answer_that_calls_ends_with_its_calls(wire: Wire, body: bytes) -> None:
    reader = read(wire, body)

    assert (reader.error, reader.reading.finish) == (None, FinishReason.TOOL_CALLS)


BROKEN = {"code": "rate_limit_exceeded", "message": "Too many."}


@pytest.mark.parametrize("kind", ["completed", "incomplete"])
@pytest.mark.parametrize(
    ("response", "code", "finish"),
    [
        ({"status": "failed", "error": BROKEN}, "rate_limited", None),
        ({"status": "failed", "error": None}, "provider_internal_error", None),
        ({"status": "cancelled"}, "provider_internal_error", None),
        ({"error": BROKEN}, "rate_limited", None),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, None, FinishReason.LENGTH),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            None,
            FinishReason.CONTENT_FILTER,
        ),
        ({"status": "completed"}, None, FinishReason.STOP),
    ],
    ids=["failed", "failed for nothing", "cancelled", "an error alone", "length", "filter", "completed"],
)
def test_the_status_of_the_response_outranks_the_name_of_its_event(
    kind: str, response: dict[str, Any], code: str | None, finish: FinishReason | None
) -> None:
    reader = read(Wire.OPENAI_RESPONSES, sse({"type": f"response.{kind}", "response": response}))

    assert (reader.error.code if reader.error else None, reader.reading.finish) == (code, finish)


@pytest.mark.parametrize("content", [7, False, ["a"], {}])
def test_content_that_is_no_text_is_no_answer_of_ollama(content: object) -> None:
    lines = [{"message": {"content": content}}, {"message": {"content": ""}, "done": True}]
    reader = read(Wire.OLLAMA, b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    assert reader.error is not None
    assert reader.error.code == "invalid_provider_response"


@pytest.mark.parametrize(
    ("start", "end", "usage"),
    [
        ({}, {}, None),
        ({"input_tokens": 3, "cache_read_input_tokens": 2}, {"output_tokens": 4}, Usage(input=5, output=4, cached=2)),
        ({"input_tokens": 3, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 4}, Usage(input=3, output=4)),
        ({"input_tokens": 3, "output_tokens": 1}, {}, Usage(input=3, output=1)),
        ({"input_tokens": 3, "output_tokens": 1}, {"output_tokens": 0}, Usage(input=3, output=0)),
        ({"input_tokens": 0}, {"input_tokens": 7, "output_tokens": 4}, Usage(input=7, output=4)),
    ],
    ids=["none", "parts", "zero at the end", "start only", "no output", "end only"],
)
def test_counts_of_the_start_and_the_end_are_joined(
    start: dict[str, int], end: dict[str, int], usage: Usage | None
) -> None:
    body = sse(
        {"type": "message_start", "message": {"usage": start}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end},
        {"type": "message_stop"},
    )

    assert read(Wire.ANTHROPIC_MESSAGES, body).reading.usage == usage


@pytest.mark.parametrize("odd", [10**30, float("nan"), float("inf"), -1, True, "7", None, [], 2**53 + 1])
def test_an_odd_count_of_tokens_counts_nothing(odd: object) -> None:
    assert count(odd) == 0


def test_odd_json_is_read_without_a_crash() -> None:
    body = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":NaN}}\n\n'

    reader = read(Wire.OPENAI_CHAT, body)

    assert (reader.error, reader.reading.finish) == (None, FinishReason.STOP)


@pytest.mark.parametrize(
    "body", [b'[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m"}}]', b"[1]", b"[]"]
)
def test_a_list_instead_of_a_stream_is_an_error_of_the_provider(body: bytes) -> None:
    reader = read(Wire.GEMINI, body)

    assert reader.error is not None
    assert reader.error.code == ("rate_limited" if b"429" in body else "invalid_provider_response")


@pytest.mark.parametrize("status", ["²", "9" * 5000, "12", 10**40, None, True])
def test_an_odd_status_in_an_error_object_is_no_status(status: object) -> None:
    reader = read(Wire.OPENAI_CHAT, sse({"error": {"message": "m", "code": status}}))

    assert reader.error is not None
    assert reader.error.origin.upstream_status is None


@pytest.mark.parametrize("wire", [Wire.OPENAI_CHAT, Wire.OLLAMA])
def test_one_long_event_in_small_pieces_costs_no_more_than_its_length(wire: Wire) -> None:
    reader = WireReader(wire, {}, origin=NOWHERE, key=None)
    reader.feed(b"data: " if wire is Wire.OPENAI_CHAT else b'{"message":')
    piece, pieces = b"x" * 1400, (EVENT_LIMIT - 100_000) // 1400

    began = time.process_time()
    for _ in range(pieces):
        reader.feed(piece)

    # Half of the pieces would cost half of it, not a quarter: joined again and again, this took half a minute.
    assert time.process_time() - began < 3.0
    assert reader.error is None
