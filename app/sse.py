"""The journal of a run as Server-Sent Events: a reader of the journal, never its owner.

Every frame is `id`, `event`, one `data: ` line and a blank line, with LF only: readers that split on lines and look
for `data: ` (the Voyage chat) and readers of the whole protocol take the same bytes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

import anyio
import structlog
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

DONE: Final = b"data: [DONE]\n\n"
CUT: Final = "gateway.cut"
"""The extension of the ASGI scope in which `now` is a function that ends the connection at once."""
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
    """Give one event as it stands on the wire; what concerns one connection only has no id to come back to."""
    id_line = f"id: {run_id}:{entry.seq}\n" if entry.seq else ""
    return f"{id_line}event: {entry.type}\ndata: ".encode() + entry.data + b"\n\n"


def respond(
    batches: AsyncIterator[Iterable[Entry]],
    *,
    run_id: str,
    limits: StreamLimits,
    headers: Mapping[str, str] | None = None,
) -> EventSourceResponse:
    """Give the response that sends `batches`, one write each, then `[DONE]`, and ends.

    `batches` ends after the terminal event; a reader that goes away, or is too slow, ends nothing but itself. After
    an event without a number there is no `[DONE]`: the run goes on elsewhere.
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
    done = True
    try:
        async for batch in batches:
            frames = [frame(entry, run_id) for entry in batch]
            yield frames[0] if len(frames) == 1 else b"".join(frames)
            done = all(entry.seq for entry in batch)
        if done:
            yield DONE
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()


def _ping() -> ServerSentEvent:
    return ServerSentEvent(comment="ping", sep="\n")


@final
class _Stream(EventSourceResponse):
    """A response to which a reader that stopped reading is an everyday event, not a failure of the server."""

    _sending_since: float | None = None
    _too_slow = False
    _streaming: "asyncio.Task[Any] | None" = None
    _loop: asyncio.AbstractEventLoop

    @override
    async def _send_with_timeout(self, send: Send, message: Message) -> None:
        # A timer for each event, as the library sets one, is more than all else that a response does; see `_watched`.
        self._sending_since = self._loop.time()
        try:
            await send(message)
        finally:
            self._sending_since = None

    @override
    async def _stream_response(self, send: Send) -> None:
        self._streaming = asyncio.current_task()
        try:
            await super()._stream_response(send)
        except asyncio.CancelledError:
            if self._too_slow:
                raise SendTimeoutError from None
            raise

    @contextmanager
    def _watched(self) -> Generator[None]:
        """Look from time to time, for the block, whether a reader takes what it is sent."""
        loop, seconds = asyncio.get_running_loop(), self.send_timeout or 0.0
        self._loop = loop

        def look() -> None:
            nonlocal timer
            since, task = self._sending_since, self._streaming
            if since is not None and task is not None and loop.time() - since >= seconds:
                self._too_slow = True
                task.cancel()
            else:
                timer = loop.call_later(seconds / 4, look)

        timer = loop.call_later(seconds, look)
        try:
            yield
        finally:
            timer.cancel()

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._watched():
                await super().__call__(scope, receive, send)
        except SendTimeoutError:
            _LOG.info("reader_too_slow", send_timeout_s=self.send_timeout)
            # Returning leaves the response incomplete, and a server without this closes the connection, which waits
            # for the reader to take what was sent.
            cut = scope.get("extensions", {}).get(CUT)
            if cut is not None:
                cut["now"]()
                await asyncio.sleep(0)  # in which the server hears of it
