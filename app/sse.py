"""The journal of a run as Server-Sent Events: a reader of the journal, never its owner.

Every frame is `id`, `event`, one `data: ` line and a blank line, with LF only: readers that split on lines and look
for `data: ` (the Voyage chat) and readers of the whole protocol take the same bytes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

import structlog
from sse_starlette import ServerSentEvent
from sse_starlette.sse import AppStatus
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

DONE: Final = b"data: [DONE]\n\n"
CUT: Final = "gateway.cut"
"""The extension of the ASGI scope in which `now` is a function that ends the connection at once."""
DIRECT: Final = "gateway.direct"
"""The extension in which `send` is the server's own, past all middlewares."""
HEADERS: Final[Mapping[str, str]] = {
    # no-transform keeps proxies from compressing, which would buffer.
    "Cache-Control": "no-cache, no-transform",
    "Connection": "keep-alive",
    "X-Accel-Buffering": "no",
}
_PING: Final = ServerSentEvent(comment="ping", sep="\n").encode()
_LOOK_S: Final = 1.0
"""How often a stream is looked at, at the least: whether it is silent, stuck, or to end with the server."""
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
) -> StreamingResponse:
    """Give the response that sends `batches`, one write each, then `[DONE]`, and ends.

    `batches` ends after the terminal event; a reader that goes away, or is too slow, ends nothing but itself. After
    an event without a number there is no `[DONE]`: the run goes on elsewhere.
    """
    return _Stream(batches, run_id, limits, headers={**HEADERS, **(headers or {})})


class _TooSlowError(Exception):
    """The reader has taken nothing for too long."""


@final
class _Stream(StreamingResponse):
    """What the library's response does, with a sending loop of its own.

    One task sends and does nothing else, so that an event resumes one task and no chain of them; the request's own
    task looks from time to time. The library's loop has four tasks for each stream and a timer for each event: see
    `docs/decisions/0024`. Only the frames of the pings and the word that the
    server ends are the library's.
    """

    media_type = "text/event-stream"

    def __init__(
        self, batches: AsyncIterator[Iterable[Entry]], run_id: str, limits: StreamLimits, *, headers: dict[str, str]
    ) -> None:
        super().__init__(batches, headers=headers)  # pyright: ignore[reportArgumentType]  # `_send_all` makes frames of them
        self._batches = batches
        self._run_id = run_id
        self._limits = limits
        self._sending_since: float | None = None
        self._quiet_since = 0.0

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        extensions: Mapping[str, Any] = scope.get("extensions", {})
        send = extensions.get(DIRECT, {}).get("send", send)
        sending = asyncio.create_task(self._send_all(send), name="stream")
        leaving = asyncio.create_task(_disconnect(receive), name="stream: disconnect")
        try:
            await self._watch(sending, leaving, send)
        except _TooSlowError:
            _LOG.info("reader_too_slow", send_timeout_s=self._limits.send_s)
            # Returning leaves the response incomplete, and a server without this closes the connection, which waits
            # for the reader to take what was sent.
            if CUT in extensions:
                extensions[CUT]["now"]()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait((sending, leaving))
        if not sending.cancelled():
            sending.result()

    async def _watch(self, sending: "asyncio.Task[None]", leaving: "asyncio.Task[None]", send: Send) -> None:
        """Wait until one of the two is done, or the server's grace is over; raises `_TooSlowError`."""
        limits, loop = self._limits, asyncio.get_running_loop()
        look_s = min(_LOOK_S, limits.ping_s / 4, limits.send_s / 4)
        end: float | None = None
        self._quiet_since = loop.time()
        while True:
            done, _ = await asyncio.wait((sending, leaving), timeout=look_s, return_when=asyncio.FIRST_COMPLETED)
            now = loop.time()
            if AppStatus.should_exit and end is None:
                end = now + limits.grace_s
            if done or (end is not None and now >= end):
                return
            if self._sending_since is not None:
                if now - self._sending_since >= limits.send_s:
                    raise _TooSlowError
            elif now - self._quiet_since >= limits.ping_s:
                await self._ping(send)

    async def _ping(self, send: Send) -> None:
        self._quiet_since = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._limits.send_s):
                await send({"type": "http.response.body", "body": _PING, "more_body": True})
        except TimeoutError:
            raise _TooSlowError from None

    async def _send_all(self, send: Send) -> None:
        now, run_id, done = asyncio.get_running_loop().time, self._run_id, True
        batches = self._batches
        try:
            async for batch in batches:
                frames = [frame(entry, run_id) for entry in batch]
                body = frames[0] if len(frames) == 1 else b"".join(frames)
                self._sending_since = now()
                await send({"type": "http.response.body", "body": body, "more_body": True})
                self._quiet_since, self._sending_since = self._sending_since, None
                done = all(entry.seq for entry in batch)
        finally:
            if isinstance(batches, AsyncGenerator):
                await batches.aclose()
        if done:
            await send({"type": "http.response.body", "body": DONE, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
