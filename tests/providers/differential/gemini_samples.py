"""Streams of Gemini's wire."""

from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from app.providers.wires.gemini import SIGNATURE
from tests.providers.differential.chat_samples import ENDS, HALVES
from tests.providers.differential.sample import Sample, sse

GROWING: Final[dict[str, Any]] = {
    "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 1, "totalTokenCount": 12}
}
COUNTED: Final[dict[str, Any]] = {
    "usageMetadata": {
        "promptTokenCount": 11,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 18,
    }
}
USAGE: Final = Usage(input=11, output=7, cached=4, reasoning=2)


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    ended = {"finishReason": finish} if finish else {}
    return {"candidates": [candidate | ended], "modelVersion": "m", "responseId": "r_1", **more}


def text(piece: str, **more: Any) -> dict[str, Any]:
    return {"text": piece, **more}


def call(name: str, *, args: Any = None, id_: str = "", **more: Any) -> dict[str, Any]:
    function = {"name": name} | ({"id": id_} if id_ else {}) | ({} if args is None else {"args": args})
    return {"functionCall": function, **more}


def sample(name: str, *events: dict[str, Any], **told: Any) -> Sample:
    return Sample(name=name, wire=Wire.GEMINI, body=sse(*events), **told)


ZURICH, TOKYO = {"city": "Zürich"}, {"city": "東京", "days": [1, 2.5, None]}
NAMELESS: Final = "call_*"
"""An id that a lane has made."""
TOOLS = FinishReason.TOOL_CALLS
SAMPLES: Final = [
    sample("text", chunk(text("Grüße "), **GROWING), chunk(text("東京"), finish="STOP", **COUNTED), text="Grüße 東京",
           usage=USAGE),
    sample("calls in one chunk", chunk(text("See."), call("get_weather", args=ZURICH), call("search", args=TOKYO),
                                       finish="STOP", **COUNTED),
           text="See.", calls=[(NAMELESS, "get_weather", ZURICH), (NAMELESS, "search", TOKYO)], usage=USAGE,
           finish=TOOLS),
    sample("calls in two chunks", chunk(call("get_weather", args=ZURICH)), chunk(call("get_weather", args=TOKYO)),
           chunk(text(""), finish="STOP", **COUNTED),
           calls=[(NAMELESS, "get_weather", ZURICH), (NAMELESS, "get_weather", TOKYO)], usage=USAGE, finish=TOOLS),
    sample("calls with ids", chunk(call("f", id_="fc_1", args={})),
           chunk(call("g", id_="fc_2", args={}), finish="STOP"),
           calls=[("fc_1", "f", {}), ("fc_2", "g", {})], finish=TOOLS),
    sample("a call without arguments", chunk(text("A"), call("f"), finish="STOP"), text="A",
           calls=[(NAMELESS, "f", {})], finish=TOOLS),
    sample("a signed call", chunk(call("f", args={}, thoughtSignature="c2ln"), call("g", args={}), finish="STOP"),
           calls=[(f"{NAMELESS}{SIGNATURE}c2ln", "f", {}), (NAMELESS, "g", {})], finish=TOOLS),
    sample("text after a call", chunk(text("One"), call("f", args={})), chunk(text(" two"), finish="STOP"),
           text="One two", calls=[(NAMELESS, "f", {})], finish=TOOLS),
    sample("thoughts", chunk(text("I ", thought=True)), chunk(text("think", thought=True)),
           chunk(text("Yes"), finish="STOP", **COUNTED), text="Yes", reasoning="I think", usage=USAGE),
    sample("thoughts and text in one chunk", chunk(text("I think", thought=True), text("Yes"), finish="STOP"),
           text="Yes", reasoning="I think"),
    sample("a signature without text", chunk(text("A")), chunk(text("", thoughtSignature="c2ln"), finish="STOP"),
           text="A"),
    sample("length", chunk(text("A")), chunk(text(""), finish="MAX_TOKENS"), text="A", finish=FinishReason.LENGTH),
    sample("safety", chunk(text("A")), {"candidates": [{"finishReason": "SAFETY", "index": 0, "safetyRatings": []}]},
           text="A", finish=FinishReason.CONTENT_FILTER),
    sample("recitation", chunk(text("A"), finish="RECITATION"), text="A", finish=FinishReason.CONTENT_FILTER),
    sample("an end without content", chunk(text("A")), {"candidates": [{"finishReason": "STOP"}]}, text="A"),
    sample("usage after the end", chunk(text("A"), finish="STOP"), COUNTED, text="A", usage=USAGE),
    sample("usage at the start only", chunk(text("A"), **COUNTED), chunk(text("b"), finish="STOP"), text="Ab",
           usage=USAGE),
    sample("no usage", chunk(text("A"), finish="STOP"), text="A"),
    sample("surrogates cut in two", *(chunk(text(half)) for half in HALVES), chunk(text(""), finish="STOP"),
           text="🧭 ok"),
    sample("ends of lines in a text", *(chunk(text(piece)) for piece in ENDS), chunk(finish="STOP"),
           text="".join(ENDS)),
    sample("nothing, often", {"candidates": []}, chunk(), chunk(text("")), chunk({"newPart": {"text": "no"}}),
           chunk(text("A"), newField={"a": 1}), {"candidates": [{"content": {"role": "model"}, "index": 0}]},
           chunk(text("b"), finish="STOP", groundingMetadata={}), text="Ab"),
    sample("text beside a call", chunk(text("A") | call("f", args={"x": 1}, id_="call_a"), finish="STOP"), text="A",
           calls=[("call_a", "f", {"x": 1})], finish=FinishReason.TOOL_CALLS),
    sample("code that the provider runs", chunk({"executableCode": {"language": "PYTHON", "code": "no"}}),
           chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "no"}}), chunk(text("A"), finish="STOP"),
           text="A"),
]  # fmt: skip
