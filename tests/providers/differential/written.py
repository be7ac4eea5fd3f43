"""Events as the bytes of a stream, in every form that the standard allows and some that only careless servers use.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any, Final

from tests.providers.differential.speech import Said

_ASIDES: Final = (": ping", ":", "id: 7", "id", "retry: 3000", "retry: x", "new-field: data: 1", "dat: x")
"""Lines that add nothing to an event."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a wire; `data` is an object, or the text that ends the chat wire."""

    data: dict[str, Any] | str
    said: tuple[Said, ...] = ()
    """What it adds to the answer."""
    kind: str = ""
    """Its type, on the wires that give one."""
    ends: bool = False
    """Whether it is the wire's own end of the answer."""


@dataclass(frozen=True, slots=True)
class Written:
    """A stream, and for each event the number of bytes after which it is complete."""

    body: bytes
    complete_at: tuple[int, ...]


def write(events: Sequence[Event], random: Random) -> Written:
    """Write `events` with the manners of one server, drawn from `random`."""
    writer = _Writer(random)
    places: list[int] = []
    for event in events:
        writer.event(event)
        places.append(writer.complete_at)
    return Written(bytes(writer.body), tuple(places))


def pieces_of(body: bytes, random: Random) -> list[bytes]:
    """Cut the bytes as a network may: not at all, everywhere, or at some places."""
    match random.randrange(4):
        case 0:
            return [body]
        case 1:
            return [bytes([byte]) for byte in body]
        case _:
            edges = sorted({0, len(body), *(random.randint(0, len(body)) for _ in range(random.randint(1, 20)))})
            return [body[a:b] for a, b in pairwise(edges)]


class _Writer:
    def __init__(self, random: Random) -> None:
        self.body = bytearray(b"\xef\xbb\xbf" if random.random() < 0.1 else b"")
        self.complete_at = 0
        self._random = random
        self._newlines = random.choice((["\n"], ["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]))
        self._ascii = random.random() < 0.5
        self._spaces = random.random() < 0.7
        self._indents = random.random() < 0.3
        self._asides = random.random() < 0.4

    def event(self, event: Event) -> None:
        self._aside()
        if event.kind:
            self._field("event", event.kind)
        for line in self._json(event.data):
            self._field("data", line)
            self._aside()
        self._line("")

    def _json(self, data: dict[str, Any] | str) -> list[str]:
        """Give the lines of the data: JSON may be broken where white space is allowed."""
        if isinstance(data, str):
            return [data]
        indent = 1 if self._indents and self._random.random() < 0.5 else None
        separators = self._random.choice(((",", ":"), (", ", ": "), (" , ", " : "))) if indent is None else None
        text = json.dumps(data, ensure_ascii=self._ascii, indent=indent, separators=separators)
        if any("\ud800" <= character <= "\udfff" for character in text):
            text = json.dumps(data, indent=indent, separators=separators)
        return text.split("\n")

    def _aside(self) -> None:
        while self._asides and self._random.random() < 0.3:
            self._line(self._random.choice(_ASIDES))

    def _field(self, name: str, value: str) -> None:
        space = " " if self._spaces or value.startswith(" ") else ""
        self._line(f"{name}:{space}{value}")

    def _line(self, line: str) -> None:
        newline = self._random.choice(self._newlines)
        if not line and newline == "\n" and self.body.endswith(b"\r"):
            newline = "\r\n"  # else it would be the second half of the line end before
        self.body += line.encode() + newline.encode()
        self.complete_at = len(self.body) - len(newline) + 1
