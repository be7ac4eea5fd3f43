"""Server-sent events, read as the WHATWG standard says, from bytes cut anywhere.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from dataclasses import dataclass
from typing import Final

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BOM: Final = b"\xef\xbb\xbf"


class OversizeError(Exception):
    """One line or one event is longer than the limit."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event; `type` is empty where the stream gave none."""

    type: str
    data: str


class SseParser:
    """Turns bytes into events; holds at most `limit` bytes of an unfinished event."""

    def __init__(self, *, limit: int) -> None:
        """Start before the first byte."""
        self._limit = limit
        self._buffer = b""
        self._type = ""
        self._data: list[str] = []
        self._size = 0
        self._started = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Take the next bytes and give the events they complete; raises `OversizeError`."""
        buffer = self._buffer + chunk
        if not self._started:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                self._buffer = buffer
                return []
            self._started = True
            buffer = buffer.removeprefix(_BOM)
        # A CR at the very end may be the first half of a CRLF: it waits for the next byte.
        held = buffer[-1:] if buffer.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(buffer.removesuffix(held))
        if held:
            rest += held
        self._buffer = rest
        if len(rest) + self._size > self._limit:
            raise OversizeError
        events: list[SseEvent] = []
        for line in lines:
            event = self._line(line)
            if event is not None:
                events.append(event)
        return events

    def _line(self, line: bytes) -> SseEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(value) + 1
            if self._size > self._limit:
                raise OversizeError
            self._data.append(value.decode("utf-8", "replace"))
        elif name == b"event":
            self._type = value[:200].decode("utf-8", "replace")
        return None

    def _dispatch(self) -> SseEvent | None:
        event = SseEvent(self._type, "\n".join(self._data)) if self._data else None
        self._type, self._data, self._size = "", [], 0
        return event


class LineParser:
    """Newline-delimited JSON (Ollama's stream) through the same door: each non-empty line is an event."""

    def __init__(self, *, limit: int) -> None:
        """Start before the first byte."""
        self._limit = limit
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Take the next bytes and give the lines they complete; raises `OversizeError`."""
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        if len(self._buffer) > self._limit:
            raise OversizeError
        return [SseEvent("", line.decode("utf-8", "replace")) for line in map(bytes.strip, lines) if line]

    def rest(self) -> list[SseEvent]:
        """Give the last line when the stream ended without a newline."""
        line, self._buffer = self._buffer.strip(), b""
        return [SseEvent("", line.decode("utf-8", "replace"))] if line else []
