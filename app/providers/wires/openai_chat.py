"""OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat-streaming."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.pieces import Pieces
from app.providers.wires.reading import Reading, count, json_text, rows, string, table, unknown_end

FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,  # Together
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,  # Mistral
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


def read(event: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    """Take one event; give it back if it is an error object.

    The end is a `finish_reason`: gateways append `[DONE]` to cut answers too.
    """
    if event.get("error") or ("choices" not in event and "message" in event):
        return event
    groq = table(event.get("x_groq"))
    if groq.get("error"):
        return groq
    for choice in rows(event.get("choices")):
        if table(choice.get("delta")).get("tool_calls"):
            reading.tools = True
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            if reason.lower() not in FINISH:
                return unknown_end(reason)
            # Several servers that speak this wire end tool calls with a plain stop.
            called = FINISH[reason.lower()] is FinishReason.STOP and reading.tools
            reading.finish = FinishReason.TOOL_CALLS if called else FINISH[reason.lower()]
    if usage := table(event.get("usage")) or table(groq.get("usage")):
        reading.usage = Usage(
            input=count(usage.get("prompt_tokens")),
            output=count(usage.get("completion_tokens")),
            cached=count(table(usage.get("prompt_tokens_details")).get("cached_tokens")),
            reasoning=count(table(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        )
    return None


def say(event: Mapping[str, Any], pieces: Pieces) -> None:
    """Put what one event adds to the answer into `pieces`; of several answers, the first."""
    for choice in rows(event.get("choices"))[:1]:
        delta = table(choice.get("delta"))
        # DeepSeek and others name it so; OpenRouter, Groq and vLLM call it reasoning; some send both, the same.
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and isinstance(thought, str):
            pieces.reasoning(thought)
        content = delta.get("content")
        if content and isinstance(content, str):
            pieces.text(content)
        elif content:
            _say_parts(content, pieces)
        if refusal := string(delta.get("refusal")):
            pieces.text(refusal)
        if calls := delta.get("tool_calls"):
            _say_calls(calls, pieces)


def _say_parts(content: object, pieces: Pieces) -> None:
    """Take content in parts, as Mistral's reasoning models send it."""
    for part in rows(content):
        if part.get("type") == "thinking":
            for text in _texts(part.get("thinking")):
                pieces.reasoning(text)
        elif text := string(part.get("text")):
            pieces.text(text)


def _texts(thinking: object) -> Iterator[str]:
    parts = [{"text": thinking}] if isinstance(thinking, str) else rows(thinking)
    return (text for part in parts if (text := string(part.get("text"))))


def _say_calls(calls: object, pieces: Pieces) -> None:
    for place, call in enumerate(rows(calls)):
        index: object = call.get("index")
        function = table(call.get("function"))
        pieces.call(
            index if isinstance(index, int) else place,
            string(call.get("id")),
            string(function.get("name")),
            json_text(function.get("arguments")),
        )
