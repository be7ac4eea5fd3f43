"""The pieces that a wire's answer is made of."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

from app.providers.provider import Wire
from tests.upstream.answer import Answer, Call
from tests.upstream.trouble import Trouble


class Part(StrEnum):
    """What a frame does for the answer."""

    OPEN = "open"
    CONTENT = "content"
    CLOSE = "close"
    FINISH = "finish"
    """Says why the answer ends."""
    USAGE = "usage"
    END = "end"
    """The marker after the finish, on the wires that have one."""


@dataclass(frozen=True, slots=True)
class Frame:
    part: Part
    data: bytes


class Dialect(Protocol):
    """One wire: how a provider that speaks it writes answers and errors."""

    wire: Wire
    content_type: str
    pings: Sequence[bytes]
    """What keeps the connection alive and says nothing."""

    def frames(self, answer: Answer, request: dict[str, Any]) -> Sequence[Frame]:
        """Give the answer as a stream; `request` is the request's body, with `model` and `number` filled in."""
        ...

    def whole(self, answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
        """Give the answer to a request that did not ask for a stream."""
        ...

    def error(self, trouble: Trouble) -> dict[str, Any]:
        """Give the body of an error response."""
        ...

    def error_frame(self, trouble: Trouble) -> bytes:
        """Give the event by which this provider reports an error inside a stream."""
        ...

    def flat_error_frame(self, trouble: Trouble) -> bytes:
        """Give the other form in which such an error is met, without the usual envelope where there is one."""
        ...

    def string_error_frame(self, message: str) -> bytes:
        """Give an error event whose `error` is a plain string."""
        ...


def dumps(data: object) -> bytes:
    """Give compact JSON with raw UTF-8, so that splitting by bytes cuts characters."""
    return orjson.dumps(data)


def sse(data: object, event: str | None = None) -> bytes:
    head = f"event: {event}\n".encode() if event else b""
    return head + b"data: " + dumps(data) + b"\n\n"


def ndjson(data: object) -> bytes:
    return dumps(data) + b"\n"


def made_id(prefix: str, request: dict[str, Any], length: int = 24) -> str:
    """Give an id that looks real and is the same for the same request of the same server."""
    return prefix + hashlib.sha256(f"{prefix}{request.get('number')}".encode()).hexdigest()[:length]


def fragments(calls: Sequence[Call], *, interleaved: bool) -> Iterator[tuple[int, str]]:
    """Give (index of the call, fragment) in the order of the wire."""
    if not interleaved:
        yield from ((index, piece) for index, call in enumerate(calls) for piece in call.pieces)
        return
    for turn in range(max((len(call.pieces) for call in calls), default=0)):
        yield from ((index, call.pieces[turn]) for index, call in enumerate(calls) if turn < len(call.pieces))
