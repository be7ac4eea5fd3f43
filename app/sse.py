"""The journal of a run as Server-Sent Events: a reader of the journal, never its owner.

Every frame is `id`, `event`, one `data: ` line and a blank line, with LF only: readers that split on lines and look
for `data: ` (the Voyage chat) and readers of the whole protocol take the same bytes.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

import anyio
import structlog
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send
from typing_extensions import override

DONE: Final = b"data: [DONE]\n\n"
HEADERS: Final[Mapping[str, str]] = {
    # no-transform keeps proxies from compressing, which would buffer.
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
_LOG: Final[Any] = structlog.get_logger(__name__)


class Entry(Protocol):
    """One event of a journal: its number, its type and its payload, one line of JSON."""

    @property
    def seq(self) -> int: ...  # noqa: D102 - see the class
    @property
    def type(self) -> str: ...  # noqa: D102 - see the class
    @property
    def data(self) -> bytes: ...  # noqa: D102 - see the class


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Times of one stream, in seconds."""

    ping_s: float = 10.0
    """Between two comments, so that proxies see traffic; well below the 60 s that nginx waits."""
    send_s: float = 30.0
    """How long a reader may take nothing before its connection is cut; the run goes on."""
    grace_s: float = 5.0
    """How long a stream may still end by itself once the server is stopping."""


def frame(entry: Entry, run_id: str) -> bytes:
    """Give one event as it stands on the wire."""
    return f"id: {run_id}:{entry.seq}\nevent: {entry.type}\ndata: ".encode() + entry.data + b"\n\n"


def respond(
    batches: AsyncIterator[Iterable[Entry]],
    *,
    run_id: str,
    limits: StreamLimits,
    headers: Mapping[str, str] | None = None,
) -> EventSourceResponse:
    """Give the response that sends `batches`, one write each, then `[DONE]`, and ends.

    `batches` ends after the terminal event; a reader that goes away, or is too slow, ends nothing but itself.
    """
    return _Stream(
        _frames(batches, run_id),
        headers={**HEADERS, **(headers or {})},
        ping=limits.ping_s,
        ping_message_factory=_ping,
        send_timeout=limits.send_s,
        # Without these two the library cuts a stream half a second after the signal, in the middle of a frame.
        shutdown_event=anyio.Event(),
        shutdown_grace_period=limits.grace_s,
    )


async def _frames(batches: AsyncIterator[Iterable[Entry]], run_id: str) -> AsyncGenerator[bytes]:
    try:
        async for batch in batches:
            yield b"".join(frame(entry, run_id) for entry in batch)
        yield DONE
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()


def _ping() -> ServerSentEvent:
    return ServerSentEvent(comment="ping", sep="\n")


@final
class _Stream(EventSourceResponse):
    """A response to which a reader that stopped reading is an everyday event, not a failure of the server."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            # Returning leaves the response incomplete, and the server then cuts the connection.
            _LOG.info("reader_too_slow", send_timeout_s=self.send_timeout)
