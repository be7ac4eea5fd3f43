"""OpenAI responses: https://platform.openai.com/docs/api-reference/responses-streaming."""

from collections.abc import Mapping
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.pieces import Pieces
from app.providers.wires.reading import Reading, count, rows, string, table

_THOUGHTS: Final = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})


def read(event: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    """Take one event; give it back if it is an error object.

    The end is `response.completed` or `response.incomplete`.
    """
    response = table(event.get("response"))
    match event.get("type"):
        case "response.completed":
            called = any(row.get("type") == "function_call" for row in rows(response.get("output")))
            reading.finish = FinishReason.TOOL_CALLS if called or reading.tools else FinishReason.STOP
        case "response.incomplete":
            reason = table(response.get("incomplete_details")).get("reason")
            filtered = reason == "content_filter"
            reading.finish = FinishReason.CONTENT_FILTER if filtered else FinishReason.LENGTH
        case "response.failed" | "error" | "response.error":
            return event
        case "response.function_call_arguments.delta" | "response.output_item.done":
            # A call may be told at its end only, and the output of the end left empty.
            reading.tools = reading.tools or "delta" in event or table(event.get("item")).get("type") == "function_call"
            return None
        case _:
            return event if event.get("error") else None
    reading.over = True
    if usage := table(response.get("usage")):
        reading.usage = Usage(
            input=count(usage.get("input_tokens")),
            output=count(usage.get("output_tokens")),
            cached=count(table(usage.get("input_tokens_details")).get("cached_tokens")),
            reasoning=count(table(usage.get("output_tokens_details")).get("reasoning_tokens")),
        )
    return None


def say(event: Mapping[str, Any], pieces: Pieces) -> None:
    """Put what one event adds to the answer into `pieces`; a tool call is known by the index of its output item."""
    kind = event.get("type")
    match kind:
        case "response.output_text.delta" | "response.refusal.delta":
            if text := string(event.get("delta")):
                pieces.text(text)
        case "response.function_call_arguments.delta":
            pieces.more(_number(event), string(event.get("delta")))
        case "response.output_item.added" | "response.output_item.done":
            item = table(event.get("item"))
            if item.get("type") == "function_call":
                told = (string(item.get("call_id")), string(item.get("name")), string(item.get("arguments")))
                take = pieces.call if kind == "response.output_item.added" else pieces.whole_call
                take(_number(event), *told)
        case str() if kind in _THOUGHTS:
            if thought := string(event.get("delta")):
                pieces.reasoning(thought)
        case _:
            pass


def _number(event: Mapping[str, Any]) -> int:
    number: object = event.get("output_index")
    return number if isinstance(number, int) else 0
