"""OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat-streaming."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from app.events import FinishReason, Usage
from app.providers.wires.reading import Reading, count, rows, table, unknown_end

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
    if table(event.get("x_groq")).get("error"):
        return table(event["x_groq"])
    for choice in rows(event.get("choices")):
        if table(choice.get("delta")).get("tool_calls"):
            reading.tools = True
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            if reason.lower() not in FINISH:
                return unknown_end(reason)
            reading.finish = FINISH[reason.lower()]
    if usage := table(event.get("usage")) or table(table(event.get("x_groq")).get("usage")):
        reading.usage = Usage(
            input=count(usage.get("prompt_tokens")),
            output=count(usage.get("completion_tokens")),
            cached=count(table(usage.get("prompt_tokens_details")).get("cached_tokens")),
            reasoning=count(table(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        )
    return None


def join(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the events with pieces of text that follow one another joined, and without usage, which `read` has taken.

    What arrives together costs its translator one event: a loop that has fallen behind catches up by itself.
    """
    joined: list[dict[str, Any]] = []
    texts: list[str] = []
    for event in events:
        text = _text_alone(event)
        if text is not None and texts:
            texts.append(text)
            continue
        _close(joined, texts)
        joined.append({name: value for name, value in event.items() if name != "usage"})
        texts = [] if text is None else [text]
    _close(joined, texts)
    return joined


def _close(joined: list[dict[str, Any]], texts: list[str]) -> None:
    """Give the last event all its texts."""
    if len(texts) > 1:
        last = joined[-1]
        choice = last["choices"][0]
        delta = {**choice["delta"], "content": "".join(texts)}
        joined[-1] = {**last, "choices": [{**choice, "delta": delta}]}


def _text_alone(event: Mapping[str, Any]) -> str | None:
    """Give the text of an event that holds nothing else."""
    choices = event.get("choices")
    if not isinstance(choices, list) or len(cast("list[object]", choices)) != 1 or event.get("usage"):
        return None
    choice = table(cast("list[object]", choices)[0])
    delta = table(choice.get("delta"))
    text = delta.get("content")
    alone = not choice.get("finish_reason") and not choice.get("index") and delta.keys() <= {"content", "role"}
    return text if isinstance(text, str) and alone else None
