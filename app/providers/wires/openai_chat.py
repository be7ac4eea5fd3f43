"""OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat-streaming."""

from collections.abc import Mapping
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.wires.reading import Fault, Reading, count, rows, table

FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


def read(event: Mapping[str, Any], reading: Reading) -> Fault | None:
    """Take one event. The end is a `finish_reason`: gateways append `[DONE]` to cut answers too."""
    if event.get("error") or table(event.get("x_groq")).get("error"):
        return Fault(event if event.get("error") else table(event["x_groq"]))
    if "choices" not in event and "message" in event:
        return Fault(event)
    for choice in rows(event.get("choices")):
        if table(choice.get("delta")).get("tool_calls"):
            reading.tools = True
        reason = choice.get("finish_reason")
        if reason == "error":
            return Fault(event)
        if isinstance(reason, str) and reason:
            reading.finish = FINISH.get(reason, FinishReason.STOP)
    if usage := table(event.get("usage")) or table(table(event.get("x_groq")).get("usage")):
        reading.usage = Usage(
            input=count(usage.get("prompt_tokens")),
            output=count(usage.get("completion_tokens")),
            cached=count(table(usage.get("prompt_tokens_details")).get("cached_tokens")),
            reasoning=count(table(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        )
    return None
