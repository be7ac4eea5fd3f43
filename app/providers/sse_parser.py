"""Server-sent events, read as the WHATWG standard says, from bytes cut anywhere.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from typing import Final, NamedTuple

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BOM: Final = b"\xef\xbb\xbf"
_DATA: Final = b"data: "
_EVENT: Final = b"event: "
_TYPE_LIMIT: Final = 200


class OversizeError(Exception):
    """One line or one event is longer than the limit."""


class SseEvent(NamedTuple):
    """One event; `type` is empty where the stream gave none."""

    type: str
    data: str


class SseParser:
    """Turns bytes into events; holds at most `limit` bytes of an unfinished event."""

    def __init__(self, *, limit: int) -> None:
        """Start before the first byte."""
        self._limit = limit
        self._pieces: list[bytes] = []
        """The unfinished line; joined only when it ends, so that a long one costs no more than its length."""
        self._held = 0
        self._type = ""
        self._data: list[str] = []
        self._size = 0
        self._started = False
        self._after_cr = False
        """Whether the last byte was a CR, which ended its line: an LF that follows belongs to it."""

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Take the next bytes and give the events they complete; raises `OversizeError`."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if self._started and not self._held and not self._data and not self._type:
            events = self._whole(chunk)
            if events is not None:
                return events
        if _LINE_END.search(chunk) is None:
            self._hold(chunk)
            return []
        buffer = b"".join((*self._pieces, chunk))
        if not self._started:
            self._started = True
            buffer = buffer.removeprefix(_BOM)
        self._after_cr = buffer.endswith(b"\r")
        *lines, rest = _LINE_END.split(buffer) if b"\r" in buffer else buffer.split(b"\n")
        self._pieces, self._held = [], 0
        self._hold(rest)
        return [event for line in lines if (event := self._line(line)) is not None]

    def _whole(self, chunk: bytes) -> list[SseEvent] | None:
        """Take the ordinary case: whole events of one line of data, with a type or without. None for any other."""
        if chunk[-2:] != b"\n\n" or b"\r" in chunk or len(chunk) > self._limit:
            return None
        events: list[SseEvent] = []
        for frame in chunk[:-2].split(b"\n\n"):
            kind = ""
            if frame.startswith(_EVENT):
                head, _, frame = frame.partition(b"\n")  # noqa: PLW2901 - the rest of the same frame
                kind = head[len(_EVENT) : len(_EVENT) + _TYPE_LIMIT].decode("utf-8", "replace")
            if not frame.startswith(_DATA) or b"\n" in frame:
                return None
            events.append(SseEvent(kind, frame[len(_DATA) :].decode("utf-8", "replace")))
        return events

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._held += len(piece)
        if self._held + self._size > self._limit:
            raise OversizeError

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
            self._type = value[:_TYPE_LIMIT].decode("utf-8", "replace")
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
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Take the next bytes and give the lines they complete; raises `OversizeError`."""
        lines: list[bytes] = []
        if b"\n" in chunk:
            *lines, chunk = b"".join((*self._pieces, chunk)).split(b"\n")
            self._pieces, self._held = [], 0
        self._pieces.append(chunk)
        self._held += len(chunk)
        if self._held > self._limit:
            raise OversizeError
        return [SseEvent("", line.decode("utf-8", "replace")) for line in map(bytes.strip, lines) if line]

    def rest(self) -> list[SseEvent]:
        """Give the last line when the stream ended without a newline."""
        line = b"".join(self._pieces).strip()
        self._pieces, self._held = [], 0
        return [SseEvent("", line.decode("utf-8", "replace"))] if line else []
