"""Reads what a provider really sends, for whoever translates it: ends, errors and nonsense are seen here, once.

A stream leaves the reader as clean events, and only as far as it made sense: an error object, a broken event or an end
without the wire's own terminal marker becomes a typed error, never something to be interpreted.

One rule holds on every wire for what follows the finish (a `finish_reason`, `message_stop`, a completed response): the
text is whole by then, so nothing after it is text, and no error, broken event or cut after it makes a failure. Only the
usage is still read.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import orjson

from app.errors import GatewayError, InvalidProviderResponse, Origin, Phase, StreamInterrupted
from app.providers import classify
from app.providers.complaint import read_object
from app.providers.provider import Wire
from app.providers.sse_parser import LineParser, OversizeError, SseEvent, SseParser
from app.providers.wires import anthropic_messages, gemini, ollama, openai_chat, openai_responses
from app.providers.wires.reading import OddPieceError, Reading
from app.secret import Secret

EVENT_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of one event; a whole tool call, or a whole final response, fits."""
_DONE: Final = "[DONE]"
Understood = tuple[str, dict[str, Any]]
"""The type of an event, empty where the stream gave none, and its JSON object."""

_READERS: Final[Mapping[Wire, Callable[[Mapping[str, Any], Reading], Mapping[str, Any] | None]]] = {
    Wire.OPENAI_CHAT: openai_chat.read,
    Wire.OPENAI_RESPONSES: openai_responses.read,
    Wire.ANTHROPIC_MESSAGES: anthropic_messages.read,
    Wire.GEMINI: gemini.read,
    Wire.OLLAMA: ollama.read,
}


class WireReader:
    """One answer on one wire: bytes in, clean events out, and in `reading` what they said of its end."""

    def __init__(self, wire: Wire, headers: Mapping[str, str], *, origin: Origin, key: Secret | None) -> None:
        """Start before the first byte of a success response with `headers`."""
        self.reading = Reading()
        self.wire = wire
        self._headers = headers
        self._origin = origin
        self._key = key
        self._read = _READERS[wire]
        self._lines = LineParser(limit=EVENT_LIMIT) if wire is Wire.OLLAMA else None
        self._parser = self._lines or SseParser(limit=EVENT_LIMIT)
        self._head = b""
        self._events = 0
        self._alien = False
        self.error: GatewayError | None = None

    def feed(self, chunk: bytes) -> list[Understood]:
        """Take the next bytes; give the events they complete. After trouble `error` is set and nothing more comes."""
        if self.error is not None or self.reading.over:
            return []
        if self._events == 0 and not self._looks_alike(chunk):
            return []
        try:
            events = self._parser.feed(chunk)
        except OversizeError:
            self.error = None if self.reading.finish else self.invalid("sent an event that is too large")
            self.reading.over = self.reading.finish is not None
            return []
        return self._take(events)

    def end(self) -> list[Understood]:
        """Take the end of the body; sets `error` unless the wire's own end was seen before it."""
        if self.error is not None:
            return []
        found = self._take(self._lines.rest()) if self._lines is not None and not self._alien else []
        if self.error is None and self.reading.finish is None:
            if self._events:
                self.error = StreamInterrupted(origin=self._origin)
            else:
                self.error = classify.not_a_stream(self._head, self._headers, origin=self._origin, key=self._key)
        return found

    def _looks_alike(self, chunk: bytes) -> bool:
        """Collect the head until it shows whether this is a stream; what is not is kept for the diagnosis only."""
        self._head = (self._head + chunk)[: classify.BODY_LIMIT]
        first = self._head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        alien = b"<" if self.wire is Wire.OLLAMA else b"{[<"
        self._alien = bool(first) and first in alien
        if self._alien and len(self._head) >= classify.BODY_LIMIT:
            self.error = classify.not_a_stream(self._head, self._headers, origin=self._origin, key=self._key)
        return not self._alien

    def _take(self, events: list[SseEvent]) -> list[Understood]:
        understood: list[Understood] = []
        for kind, text in events:
            if self.reading.over:
                break
            if text[-1:] != "}" and text.strip() == _DONE:
                self._events += 1
                self.reading.over = True
                break
            whole = self.reading.finish
            data = self._understand(kind, text)
            if self.error is not None:
                break
            if whole is not None:
                self.reading.finish = whole
            elif data is not None:
                understood.append((kind, data))
        return understood

    def _understand(self, kind: str, text: str) -> dict[str, Any] | None:
        data = _json(text)
        if not isinstance(data, dict):
            if self.reading.finish is None:
                self.error = self.invalid("sent an event that is not valid JSON")
            return None
        found = cast("dict[str, Any]", data)
        try:
            complaint = found if kind == "error" else self._read(found, self.reading)
        except OddPieceError:
            self.error = self.odd_piece() if self.reading.finish is None else None
            return None
        if complaint is None:
            self._events += 1
            return found
        if self.reading.finish is None:
            complaint = read_object(complaint)
            self.error = classify.in_stream(complaint, origin=self._origin, key=self._key, phase=self._phase)
        return None

    def odd_piece(self) -> GatewayError:
        """Give the error for an event of a known form with a piece of the answer in it that is not."""
        return self.invalid("sent a piece of its answer in a form that cannot be read")

    def invalid(self, what: str) -> GatewayError:
        """Give the error for a stream that is none: the provider `what`."""
        return InvalidProviderResponse(f"{self._origin.label} {what}.", origin=self._origin, phase=self._phase)

    @property
    def _phase(self) -> Phase:
        return Phase.MID_STREAM if self._events else Phase.FIRST_TOKEN


def _json(text: str) -> object:
    """Parse `text`, or give None; the slower parser takes halves of a surrogate pair, which some providers send."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
