"""Streams of the responses wire."""

from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from tests.providers.differential.chat_samples import CALLS, ENDS, HALVES
from tests.providers.differential.sample import Sample, sse

COUNTED: Final = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 18,
}
USAGE: Final = Usage(input=11, output=7, cached=4, reasoning=2)


def response(status: str, usage: Any = COUNTED, **more: Any) -> dict[str, Any]:
    fixed: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_795_000_000,
        "model": "test-model",
        "error": None,
    }
    told: dict[str, Any] = {"status": status, "usage": usage, "tools": [], "output": [], "parallel_tool_calls": True}
    return {**fixed, **told, **more}


def sample(name: str, *events: dict[str, Any], end: dict[str, Any] | None = None, **told: Any) -> Sample:
    status = (end or {}).get("status", "completed")
    start = {"type": "response.created", "response": response("in_progress", None)}
    ended = {"type": f"response.{status}", "response": end or response(status)}
    told = {"usage": USAGE, **told}
    numbered = [event | {"sequence_number": place} for place, event in enumerate([start, *events, ended])]
    return Sample(name=name, wire=Wire.OPENAI_RESPONSES, body=sse(*numbered, named=True), **told)


def text(delta: str, index: int = 0, kind: str = "output_text") -> dict[str, Any]:
    where = {"item_id": "msg_1", "output_index": index, "content_index": 0}
    return {"type": f"response.{kind}.delta", **where, "delta": delta, "logprobs": [], "obfuscation": "x7Qa"}


def thought(delta: str, kind: str = "reasoning_summary_text") -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "item_id": "rs_1", "output_index": 0, "summary_index": 0, "delta": delta}


def item(when: str, index: int, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.output_item.{when}", "output_index": index, "item": {"id": f"it_{index}", **fields}}


def call(when: str, index: int, arguments: str) -> dict[str, Any]:
    id_, name, _ = CALLS[index]
    status = "completed" if when == "done" else "in_progress"
    told = {"call_id": id_, "name": name, "arguments": arguments, "status": status}
    return item(when, index, type="function_call", **told)


def piece(index: int, delta: str, when: str = "delta") -> dict[str, Any]:
    kind = f"response.function_call_arguments.{when}"
    key = "delta" if when == "delta" else "arguments"
    return {"type": kind, "item_id": f"it_{index}", "output_index": index, key: delta}


MESSAGE: Final[dict[str, Any]] = {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
PART: Final[dict[str, Any]] = {
    "type": "response.content_part.added",
    "item_id": "it_0",
    "output_index": 0,
    "content_index": 0,
    "part": {"type": "output_text", "text": "", "annotations": []},
}
ZURICH, TOKYO = '{"city":"Zürich"}', '{"city":"東京"}'
SAMPLES: Final = [
    sample("text", item("added", 0, **MESSAGE), PART, text("Grüße "), text("東京"),
           {"type": "response.output_text.done", "item_id": "it_0", "output_index": 0, "content_index": 0,
            "text": "Grüße 東京", "logprobs": []}, text="Grüße 東京"),
    sample("interleaved calls", call("added", 0, ""), call("added", 1, ""), piece(0, ZURICH[:4]), piece(1, TOKYO[:7]),
           piece(0, ZURICH[4:]), piece(1, TOKYO[7:]), piece(0, ZURICH, "done"), call("done", 0, ZURICH),
           piece(1, TOKYO, "done"), call("done", 1, TOKYO), calls=CALLS, finish=FinishReason.TOOL_CALLS),
    sample("calls one after the other", call("added", 0, ""), piece(0, ZURICH), piece(0, ZURICH, "done"),
           call("done", 0, ZURICH), call("added", 1, ""), piece(1, TOKYO), piece(1, TOKYO, "done"),
           call("done", 1, TOKYO), calls=CALLS, finish=FinishReason.TOOL_CALLS),
    sample("a call told at its end", call("added", 0, ""), call("done", 0, ZURICH), calls=CALLS[:1],
           finish=FinishReason.TOOL_CALLS),
    sample("arguments told whole", call("added", 0, ""), piece(0, ZURICH, "done"), calls=CALLS[:1],
           finish=FinishReason.TOOL_CALLS),
    sample("a call told only at its end", call("done", 0, ZURICH), calls=CALLS[:1], finish=FinishReason.TOOL_CALLS),
    sample("text after a call", text("One"), call("added", 1, ""), piece(1, TOKYO), call("done", 1, TOKYO),
           text(" two", 2), text="One two", calls=CALLS[1:], finish=FinishReason.TOOL_CALLS),
    sample("reasoning summary", item("added", 0, type="reasoning", summary=[]), thought("I "), thought("think"),
           item("done", 0, type="reasoning", summary=[{"type": "summary_text", "text": "I think"}],
                encrypted_content="c2ln"), text("Yes", 1), text="Yes", reasoning="I think"),
    sample("reasoning text", thought("I ", "reasoning_text"), thought("think", "reasoning_text"), text("Yes", 1),
           text="Yes", reasoning="I think"),
    sample("refusal", text("I ", kind="refusal"), text("cannot.", kind="refusal"), text="I cannot."),
    sample("length", text("A"), end=response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
           text="A", finish=FinishReason.LENGTH),
    sample("content filter", text("A"), end=response("incomplete", incomplete_details={"reason": "content_filter"}),
           text="A", finish=FinishReason.CONTENT_FILTER),
    sample("no usage", text("A"), end=response("completed", None), text="A", usage=None),
    sample("surrogates cut in two", *map(text, HALVES), text="🧭 ok"),
    sample("ends of lines in a text", *map(text, ENDS), text="".join(ENDS)),
    sample("nothing, often", {"type": "response.in_progress", "response": response("in_progress", None)}, text(""),
           {"type": "keepalive"}, {"type": "response.new_thing.delta", "delta": "no"}, text("A"),
           {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0,
            "item_id": "msg_1", "annotation_index": 0, "annotation": {"type": "url_citation", "title": "no"}},
           text="A"),
]  # fmt: skip
