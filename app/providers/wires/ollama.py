"""Ollama chat, newline-delimited JSON: https://github.com/ollama/ollama/blob/main/docs/api.md."""

from collections.abc import Mapping
from typing import Any

from app.events import FinishReason, Usage
from app.providers.wires.reading import Reading, count, table, text


def read(event: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    """Take one line; give it back if it is an error object. The end is `done: true`.

    Raises `OddPieceError` for content that is no text.
    """
    if event.get("error"):
        return event
    message = table(event.get("message"))
    text(message.get("content"))
    if message.get("tool_calls"):
        reading.tools = True
    if event.get("done") is True:
        stop = FinishReason.TOOL_CALLS if reading.tools else FinishReason.STOP
        reading.finish = FinishReason.LENGTH if event.get("done_reason") == "length" else stop
        reading.usage = Usage(input=count(event.get("prompt_eval_count")), output=count(event.get("eval_count")))
        reading.over = True
    return None
