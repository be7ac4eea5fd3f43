"""Anthropic messages: https://docs.anthropic.com/en/api/messages-streaming."""

from collections.abc import Mapping
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.pieces import Pieces
from app.providers.wires.reading import Reading, count, json_text, part, parts, string, table, text, unknown_end

FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "pause_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}


def read(event: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    """Take one event; give it back if it is an error object.

    The end is `message_stop`; the stop reason comes before it, in `message_delta`, and without one it is no end.
    """
    match event.get("type"):
        case "error":
            return event
        case "message_start":
            _count(table(table(event.get("message")).get("usage")), reading)
        case "message_delta":
            _count(table(event.get("usage")), reading)
            reason = table(event.get("delta")).get("stop_reason")
            if isinstance(reason, str):
                if reason not in FINISH:
                    return unknown_end(reason)
                reading.reason = FINISH[reason]
        case "message_stop":
            reading.finish = reading.reason
            reading.over = True
        case _:
            return event if event.get("error") else None
    return None


def _count(usage: Mapping[str, Any], reading: Reading) -> None:
    """Join the counts of the start with those of the end; input tokens read from a cache are reported apart."""
    if not usage:
        return
    # Some gateways send 0 of the input at the end, having told it at the start; the output's last count stands.
    told = {name: value for name, value in usage.items() if value or (name == "output_tokens" and value is not None)}
    counted = reading.counted = {**(reading.counted or {}), **told}
    cached = count(counted.get("cache_read_input_tokens"))
    reading.usage = Usage(
        input=count(counted.get("input_tokens")) + cached + count(counted.get("cache_creation_input_tokens")),
        output=count(counted.get("output_tokens")),
        cached=cached,
    )


def say(event: Mapping[str, Any], pieces: Pieces) -> None:
    """Put what one event adds to the answer into `pieces`; a tool call is known by the index of its block."""
    match event.get("type"):
        case "content_block_delta":
            _say_delta(event, part(event.get("delta")), pieces)
        case "content_block_start":
            _say_block(_number(event), part(event.get("content_block")), pieces)
        case "message_start":
            # Empty by the documents; servers that make a stream of a whole answer may have it here.
            for number, block in enumerate(parts(part(event.get("message")).get("content"))):
                _say_block(number, block, pieces)
                pieces.close(number)
        case "content_block_stop":
            pieces.close(_number(event))
        case _:
            pass


def _say_block(number: int, block: Mapping[str, Any], pieces: Pieces) -> None:
    if block.get("type") == "tool_use":
        pieces.call(number, string(block.get("id")), string(block.get("name")), json_text(block.get("input")))
    elif piece := text(block.get("text")):
        pieces.text(piece)
    elif thought := text(block.get("thinking")):
        pieces.reasoning(thought)


def _say_delta(event: Mapping[str, Any], delta: Mapping[str, Any], pieces: Pieces) -> None:
    if piece := text(delta.get("text")):
        pieces.text(piece)
    elif thought := text(delta.get("thinking")):
        pieces.reasoning(thought)
    elif arguments := text(delta.get("partial_json")):
        pieces.more(_number(event), arguments)


def _number(event: Mapping[str, Any]) -> int:
    number: object = event.get("index")
    return number if isinstance(number, int) else 0
