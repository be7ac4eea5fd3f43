"""Anthropic messages: https://docs.anthropic.com/en/api/messages-streaming."""

from collections.abc import Mapping
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.pieces import Pieces
from app.providers.wires.reading import Reading, count, json_text, string, table, unknown_end

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
            reading.usage = _usage(table(table(event.get("message")).get("usage")), None)
        case "message_delta":
            reading.usage = _usage(table(event.get("usage")), reading.usage)
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


def _usage(usage: Mapping[str, Any], before: Usage | None) -> Usage:
    """Join the counts of the start with those of the end; input tokens read from a cache are reported apart."""
    cached = count(usage.get("cache_read_input_tokens"))
    whole = count(usage.get("input_tokens")) + cached + count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input=whole or (before.input if before else 0),
        output=count(usage.get("output_tokens")),
        cached=cached or (before.cached if before else 0),
    )


def say(event: Mapping[str, Any], pieces: Pieces) -> None:
    """Put what one event adds to the answer into `pieces`; a tool call is known by the index of its block."""
    match event.get("type"):
        case "content_block_delta":
            _say_delta(event, table(event.get("delta")), pieces)
        case "content_block_start":
            block = table(event.get("content_block"))
            if block.get("type") == "tool_use":
                name = string(block.get("name"))
                pieces.call(_number(event), string(block.get("id")), name, json_text(block.get("input")))
            elif text := string(block.get("text")):
                pieces.text(text)
            elif thought := string(block.get("thinking")):
                pieces.reasoning(thought)
        case _:
            pass


def _say_delta(event: Mapping[str, Any], delta: Mapping[str, Any], pieces: Pieces) -> None:
    if text := string(delta.get("text")):
        pieces.text(text)
    elif thought := string(delta.get("thinking")):
        pieces.reasoning(thought)
    elif arguments := string(delta.get("partial_json")):
        pieces.call(_number(event), None, None, arguments)


def _number(event: Mapping[str, Any]) -> int:
    number: object = event.get("index")
    return number if isinstance(number, int) else 0
