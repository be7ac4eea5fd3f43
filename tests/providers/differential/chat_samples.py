"""Streams of the chat wire, as OpenAI and the many who imitate it write them."""

from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from tests.providers.differential.sample import Sample, sse

DONE: Final = "data: [DONE]"
ENDS: Final = ("one\u0085two", "\u2028three\u2029")
"""What Unicode, unlike the wires, takes for ends of lines."""
HALVES: Final = ("\ud83e", "\udded", " ok")
COUNTED: Final = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
USAGE: Final = Usage(input=11, output=7, cached=4, reasoning=2)
FIXED: Final = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_795_000_000, "model": "test-model"}
ROLE: Final = {"role": "assistant", "content": "", "refusal": None}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**FIXED, "choices": [choice], **more}


def late(**more: Any) -> dict[str, Any]:
    return {**FIXED, "choices": [], **more}


def piece(index: int, arguments: str, id_: str = "", name: str = "") -> dict[str, Any]:
    opening = {"id": id_, "type": "function"} if id_ else {}
    function = {"name": name} if name else {}
    return {"tool_calls": [{"index": index, **opening, "function": {**function, "arguments": arguments}}]}


def sample(name: str, *events: dict[str, Any] | str, **told: Any) -> Sample:
    return Sample(name=name, wire=Wire.OPENAI_CHAT, body=sse(*events), **told)


CALLS: Final[list[Any]] = [("call_a", "get_weather", {"city": "Zürich"}), ("call_b", "search", {"city": "東京"})]
SAMPLES: Final = [
    sample("text", chunk(ROLE), chunk({"content": "Grüße "}), chunk({"content": "東京"}), chunk({}, "stop"),
           late(usage=COUNTED), DONE, text="Grüße 東京", usage=USAGE),
    sample("interleaved calls", chunk(ROLE | {"content": None}), chunk(piece(0, "", "call_a", "get_weather")),
           chunk(piece(0, '{"ci')), chunk(piece(1, "", "call_b", "search")), chunk(piece(1, '{"city"')),
           chunk(piece(0, 'ty":"Zürich"}')), chunk(piece(1, ':"東京"}')), chunk({}, "tool_calls"), late(usage=COUNTED),
           DONE, calls=CALLS, usage=USAGE, finish=FinishReason.TOOL_CALLS),
    sample("calls in one chunk", chunk({"role": "assistant", "tool_calls": [
        {"index": 0, "id": "call_a", "type": "function",
         "function": {"name": "get_weather", "arguments": '{"city":"Zürich"}'}},
        {"index": 1, "id": "call_b", "type": "function",
         "function": {"name": "search", "arguments": '{"city":"東京"}'}},
    ]}), chunk({}, "tool_calls", usage=COUNTED), DONE, calls=CALLS, usage=USAGE, finish=FinishReason.TOOL_CALLS),
    sample("calls that share a number", chunk(piece(0, '{"city":"Zürich"}', "call_a", "get_weather")),
           chunk(piece(0, '{"city":"東京"}', "call_b", "search")), chunk({}, "tool_calls"), DONE, calls=CALLS,
           finish=FinishReason.TOOL_CALLS),
    sample("id in every piece", chunk(piece(0, '{"city":', "call_a", "get_weather")),
           chunk(piece(0, '"Zürich"}', "call_a")), chunk({}, "tool_calls"), DONE, calls=CALLS[:1],
           finish=FinishReason.TOOL_CALLS),
    sample("calls with a plain stop", chunk({"content": "See: "}), chunk(piece(0, "{}", "call_a", "f")),
           chunk({}, "stop"), DONE, text="See: ", calls=[("call_a", "f", {})], finish=FinishReason.TOOL_CALLS),
    sample("text after a call", chunk({"content": "One"}), chunk(piece(0, "{}", "call_a", "f")),
           chunk({"content": " two"}), chunk({}, "tool_calls"), DONE, text="One two", calls=[("call_a", "f", {})],
           finish=FinishReason.TOOL_CALLS),
    sample("reasoning_content", chunk({"role": "assistant", "content": None, "reasoning_content": "I "}),
           chunk({"content": None, "reasoning_content": "think"}), chunk({"content": "Yes", "reasoning_content": None}),
           chunk({"content": ""}, "stop", usage=COUNTED), DONE, text="Yes", reasoning="I think", usage=USAGE),
    sample("reasoning", ": OPENROUTER PROCESSING", chunk({"content": "", "reasoning": "I ", "reasoning_details": [
        {"type": "reasoning.text", "text": "I ", "format": "unknown", "index": 0}]}), chunk({"reasoning": "think"}),
        chunk({"content": "Yes"}, native_finish_reason=None, provider="X"), chunk({}, "stop"),
        late(usage=COUNTED | {"cost": 0.01, "is_byok": False}), DONE, text="Yes", reasoning="I think", usage=USAGE),
    sample("content in parts",
           chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}),
           chunk({"content": [{"type": "text", "text": "Yes"}]}), chunk({"content": ""}, "stop", usage=COUNTED), DONE,
           text="Yes", reasoning="Hm.", usage=USAGE),
    sample("usage in every chunk", chunk(ROLE, usage={"prompt_tokens": 11, "completion_tokens": 0}),
           chunk({"content": "A"}, usage={"prompt_tokens": 11, "completion_tokens": 1}),
           chunk({}, "stop", usage=COUNTED), DONE, text="A", usage=USAGE),
    sample("usage of groq", chunk(ROLE, x_groq={"id": "req_1"}), chunk({"content": "A"}),
           chunk({}, "stop", x_groq={"id": "req_1", "usage": COUNTED}), DONE, text="A", usage=USAGE),
    sample("no usage", chunk(ROLE), chunk({"content": "A"}), chunk({}, "stop"), DONE, text="A"),
    sample("no marker", chunk(ROLE), chunk({"content": "A"}), chunk({}, "stop"), text="A"),
    sample("length", chunk(ROLE), chunk({"content": "A"}), chunk({}, "length"), DONE, text="A",
           finish=FinishReason.LENGTH),
    sample("content filter", chunk(ROLE), chunk({"content": "A"}), chunk({}, "content_filter"), DONE, text="A",
           finish=FinishReason.CONTENT_FILTER),
    sample("refusal", chunk(ROLE | {"content": None}), chunk({"refusal": "I "}), chunk({"refusal": "cannot."}),
           chunk({}, "stop"), DONE, text="I cannot."),
    sample("surrogates cut in two", chunk(ROLE), *(chunk({"content": half}) for half in HALVES), chunk({}, "stop"),
           DONE, text="🧭 ok"),
    sample("ends of lines in a text", *(chunk({"content": text}) for text in ENDS), chunk({}, "stop"), DONE,
           text="".join(ENDS)),
    sample("nothing, often", late(prompt_filter_results=[]), chunk({}), chunk({"role": "assistant"}),
           chunk({"content": ""}), chunk({"content": None}), chunk({"content": "A"}, p="abc", obfuscation="x7Qa"),
           chunk({"role": "assistant", "content": " b"}), chunk({"tool_calls": []}), chunk({"new_field": {"a": [1]}}),
           chunk({"content": " c"}, "stop"), DONE, text="A b c"),
    sample("a whole message", {**FIXED, "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}},
    ]}, DONE, text="Hello"),
    sample("a name told late", chunk(piece(0, "", "call_a")), chunk(piece(0, "", name="get_weather")),
           chunk(piece(0, '{"city":"Zürich"}')), chunk({}, "tool_calls"), DONE, calls=CALLS[:1],
           finish=FinishReason.TOOL_CALLS),
    sample("a cost before the marker", chunk({"content": "A"}), chunk({}, "stop", usage=COUNTED),
           {"choices": [], "cost": "0.00012"}, DONE, text="A", usage=USAGE),
    sample("a cost after the marker", chunk({"content": "A"}), chunk({}, "stop", usage=COUNTED), DONE,
           {"choices": [], "cost": "0.00012"}, text="A", usage=USAGE),
]  # fmt: skip
