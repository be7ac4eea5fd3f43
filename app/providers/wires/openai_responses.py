"""OpenAI responses: https://platform.openai.com/docs/api-reference/responses-streaming."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.pieces import Pieces
from app.providers.told_text import Place
from app.providers.wires.reading import Reading, count, part, parts, rows, string, table, text

_ENDS: Final = ("response.completed", "response.incomplete")
_THOUGHTS: Final = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})


def read(event: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    """Take one event; give it back if it is an error object.

    The end is `response.completed` or `response.incomplete`; the status of its response outranks the name of the event.
    """
    response = table(event.get("response"))
    match _kind(event, response):
        case "response.completed":
            called = any(row.get("type") == "function_call" for row in rows(response.get("output")))
            reading.finish = FinishReason.TOOL_CALLS if called or reading.tools else FinishReason.STOP
        case "response.incomplete":
            reason = table(response.get("incomplete_details")).get("reason")
            filtered = reason == "content_filter"
            reading.finish = FinishReason.CONTENT_FILTER if filtered else FinishReason.LENGTH
        case "response.failed" | "error" | "response.error":
            return event
        case "response.function_call_arguments.delta" | "response.function_call_arguments.done":
            reading.tools = True
            return None
        case "response.output_item.done":
            # A call may be told at its end only, and the output of the end left empty.
            reading.tools = reading.tools or table(event.get("item")).get("type") == "function_call"
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


def _kind(event: Mapping[str, Any], response: Mapping[str, Any]) -> object:
    """Give the type of an event; that of an end is what the status says, where the status is one of an end."""
    kind = event.get("type")
    if kind not in _ENDS:
        return kind
    status = response.get("status")
    named = f"response.{status}"
    if status in ("failed", "cancelled") or (response.get("error") and named not in _ENDS):
        return "response.failed"
    return named if named in _ENDS else kind


def say(event: Mapping[str, Any], pieces: Pieces) -> None:
    """Put what one event adds to the answer into `pieces`; a tool call is known by the index of its output item."""
    kind = event.get("type")
    match kind:
        case "response.output_text.delta" | "response.refusal.delta":
            pieces.text_at(_place(event), text(event.get("delta")))
        case "response.output_text.done" | "response.refusal.done" | "response.content_part.done":
            pieces.whole_texts({_place(event): _words(part(event.get("part")) or event)})
        case "response.function_call_arguments.delta" | "response.function_call_arguments.done":
            pieces.more(_number(event), text(event.get("delta")))
            pieces.whole_arguments(_number(event), text(event.get("arguments")))
        case "response.output_item.added":
            item = part(event.get("item"))
            if item.get("type") == "function_call":
                pieces.call(_number(event), *_call(item))
        case "response.output_item.done":
            _say_whole([(_number(event), part(event.get("item")))], pieces)
        case "response.completed" | "response.incomplete":
            _say_whole(list(enumerate(parts(part(event.get("response")).get("output")))), pieces)
        case str() if kind in _THOUGHTS:
            if thought := text(event.get("delta")):
                pieces.reasoning(thought)
        case _:
            pass


def _say_whole(items: list[tuple[int, Mapping[str, Any]]], pieces: Pieces) -> None:
    """Take output items as they are told at their end, and once more at the answer's: mostly nothing new."""
    pieces.whole_texts({place: words for number, item in items for place, words in _texts(number, item)})
    for number, item in items:
        if item.get("type") == "function_call":
            pieces.whole_call(number, *_call(item))


def _texts(number: int, item: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    if item.get("type") == "message":
        for place, content in enumerate(parts(item.get("content"))):
            yield (number, place), _words(content)


def _words(content: Mapping[str, Any]) -> str:
    """Give the text of a part, or the refusal in its place; reasoning may lie in parts too, and is not said again."""
    if content.get("type") == "reasoning_text":
        return ""
    return text(content.get("text")) or text(content.get("refusal"))


def _call(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return string(item.get("call_id")), string(item.get("name")), text(item.get("arguments"))


def _place(event: Mapping[str, Any]) -> Place:
    return _number(event), _number(event, "content_index")


def _number(event: Mapping[str, Any], name: str = "output_index") -> int:
    number: object = event.get(name)
    return number if isinstance(number, int) else 0
