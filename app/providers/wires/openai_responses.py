"""OpenAI responses: https://platform.openai.com/docs/api-reference/responses-streaming."""

from collections.abc import Mapping
from typing import Any

from app.events import FinishReason, Usage
from app.providers.wires.reading import Reading, count, rows, table


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
        case "response.function_call_arguments.delta":
            reading.tools = True
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
