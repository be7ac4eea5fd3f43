"""Clean events as the bytes of a stream again, in one form: for a translator that wants to read one itself."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import orjson

from app.providers.provider import Wire
from app.providers.wires.reader import Understood
from app.providers.wires.reading import Reading, table

_LINE_ENDS: Final = tuple((end.encode(), json.dumps(end)[1:-1].encode()) for end in "\u0085\u2028\u2029")
"""What Unicode takes for ends of lines; litellm's readers split there too, and lose the text."""


def frames(wire: Wire, events: Sequence[Understood], reading: Reading) -> bytes:
    """Give the frames of `events`, and what ends the stream once `reading` says that it is over."""
    if wire is Wire.OPENAI_CHAT:
        events = [("", data) for data in _join([data for _, data in events])]
    written = [_frame(wire, kind, data) for kind, data in events]
    # Without a finish before it, [DONE] ends a cut answer: the end of the body says so.
    if wire is Wire.OPENAI_CHAT and reading.over and reading.finish is not None:
        written.append(b"data: [DONE]\n\n")
    return b"".join(written)


def _frame(wire: Wire, kind: str, data: dict[str, Any]) -> bytes:
    line = _dump(data)
    if wire is Wire.OLLAMA:
        return line + b"\n"
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), line) if kind else b"data: %b\n\n" % line


def _dump(data: dict[str, Any]) -> bytes:
    """Write compact JSON; the slower writer takes what only the slower parser took."""
    try:
        line = orjson.dumps(data)
    except orjson.JSONEncodeError:
        return json.dumps(data, separators=(",", ":")).encode()
    for character, escaped in _LINE_ENDS:
        line = line.replace(character, escaped)
    return line


def _join(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give chat events with pieces of text that follow one another joined, and without usage, which the reader took.

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
