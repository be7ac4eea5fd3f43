"""Streams of Anthropic's wire."""

from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from tests.providers.differential.chat_samples import CALLS, ENDS, HALVES
from tests.providers.differential.sample import Sample, sse

STARTED: Final = {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 1}
USAGE: Final = Usage(input=11, output=7, cached=4)
STOP: Final = {"type": "message_stop"}
PING: Final = {"type": "ping"}


def start(usage: Any = STARTED) -> dict[str, Any]:
    fixed: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "test-model",
        "content": [],
    }
    return {"type": "message_start", "message": fixed | {"stop_reason": None} | ({"usage": usage} if usage else {})}


def end(reason: str, usage: Any = None) -> dict[str, Any]:
    counted = {"output_tokens": 7} if usage is None else usage
    delta = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, **({"usage": counted} if counted else {})}


def block(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def text(piece: str, index: int = 0) -> dict[str, Any]:
    return delta(index, "text_delta", text=piece)


def words(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    return [block(index, "text", text=""), *(text(piece, index) for piece in pieces), stop(index)]


def call(index: int, number: int) -> dict[str, Any]:
    return block(index, "tool_use", id=CALLS[number][0], name=CALLS[number][1], input={})


def piece(index: int, part: str) -> dict[str, Any]:
    return delta(index, "input_json_delta", partial_json=part)


def sample(name: str, *events: dict[str, Any], named: bool = True, **told: Any) -> Sample:
    told = {"usage": USAGE, **told}
    return Sample(name=name, wire=Wire.ANTHROPIC_MESSAGES, body=sse(*events, named=named), **told)


ZURICH, TOKYO = '{"city":"Zürich"}', '{"city":"東京"}'
TOOLS = FinishReason.TOOL_CALLS
SAMPLES: Final = [
    sample("text", start(), block(0, "text", text=""), PING, text("Grüße "), text("東京"), stop(0), end("end_turn"),
           STOP, text="Grüße 東京"),
    sample("calls one after the other", start(), *words("See."), call(1, 0), piece(1, ""), piece(1, ZURICH[:5]),
           piece(1, ZURICH[5:]), stop(1), call(2, 1), piece(2, ""), piece(2, TOKYO), stop(2), end("tool_use"), STOP,
           text="See.", calls=CALLS, finish=TOOLS),
    sample("interleaved calls", start(), call(0, 0), call(1, 1), piece(0, ZURICH[:5]), piece(1, TOKYO[:5]),
           piece(0, ZURICH[5:]), piece(1, TOKYO[5:]), stop(0), stop(1), end("tool_use"), STOP, calls=CALLS,
           finish=TOOLS),
    sample("a call without arguments", start(), call(0, 0), piece(0, ""), stop(0), end("tool_use"), STOP,
           calls=[("call_a", "get_weather", {})], finish=TOOLS),
    sample("a call that is whole at its start", start(), block(0, "tool_use", id="call_a", name="f", input={"x": 1}),
           stop(0), end("tool_use"), STOP, calls=[("call_a", "f", {"x": 1})], finish=TOOLS),
    sample("text after a call", start(), *words("One"), call(1, 0), piece(1, ZURICH), stop(1), *words(" two", index=2),
           end("tool_use"), STOP, text="One two", calls=CALLS[:1], finish=TOOLS),
    sample("thinking", start(), block(0, "thinking", thinking="", signature=""),
           delta(0, "thinking_delta", thinking="I "), delta(0, "thinking_delta", thinking="think"),
           delta(0, "signature_delta", signature="c2ln"), stop(0), *words("Yes", index=1), end("end_turn"), STOP,
           text="Yes", reasoning="I think"),
    sample("thinking at the start of its block", start(), block(0, "thinking", thinking="I ", signature=""),
           delta(0, "thinking_delta", thinking="think"), stop(0), *words("Yes", index=1), end("end_turn"), STOP,
           text="Yes", reasoning="I think"),
    sample("thinking out of sight", start(), block(0, "redacted_thinking", data="c2ln"), stop(0),
           *words("Yes", index=1), end("end_turn"), STOP, text="Yes"),
    sample("text at the start of its block", start(), block(0, "text", text="One"), text(" two"), stop(0),
           end("end_turn"), STOP, text="One two"),
    sample("a tool of the provider's own", start(), block(0, "server_tool_use", id="srv_1", name="web", input={}),
           piece(0, '{"q":1}'), stop(0), block(1, "web_search_tool_result", tool_use_id="srv_1", content=[]), stop(1),
           *words("Yes", index=2), end("end_turn"), STOP, text="Yes"),
    sample("citations", start(), block(0, "text", text="", citations=[]), delta(0, "citations_delta", citation={
        "type": "char_location", "cited_text": "no", "document_index": 0, "document_title": "no",
        "start_char_index": 0, "end_char_index": 2}), text("A"), stop(0), end("end_turn"), STOP, text="A"),
    sample("stop sequence", start(), *words("A"), end("stop_sequence"), STOP, text="A"),
    sample("length", start(), *words("A"), end("max_tokens"), STOP, text="A", finish=FinishReason.LENGTH),
    sample("a full window", start(), *words("A"), end("model_context_window_exceeded"), STOP, text="A",
           finish=FinishReason.LENGTH),
    sample("refusal", start(), *words("A"), end("refusal"), STOP, text="A", finish=FinishReason.CONTENT_FILTER),
    sample("no usage", start(None), *words("A"), end("end_turn", {}), STOP, text="A", usage=None),
    sample("usage at the start only", start(STARTED | {"output_tokens": 7}), *words("A"), end("end_turn", {}), STOP,
           text="A"),
    sample("usage at the end only", start(None), *words("A"), end("end_turn", STARTED | {"output_tokens": 7}), STOP,
           text="A"),
    sample("surrogates cut in two", start(), *words(*HALVES), end("end_turn"), STOP, text="🧭 ok"),
    sample("ends of lines in a text", start(), *words(*ENDS), end("end_turn"), STOP, text="".join(ENDS)),
    sample("nothing, often", start(), PING, block(0, "text", text=""), text(""), {"type": "new_event", "text": "no"},
           text("A"), delta(0, "new_delta", new="no"), stop(0), PING, end("end_turn"), STOP, text="A"),
    sample("no types of events", start(), *words("A"), end("end_turn"), STOP, named=False, text="A"),
    sample("a cost after the end", start(), *words("A"), end("end_turn"), STOP, {"type": "ping", "cost": "0.00012"},
           text="A"),
]  # fmt: skip
