"""The one HTTP client for everything that the gateway sends to a provider.

No redirect is followed, no environment variable is read, nothing is decompressed, nothing grows without a bound, and
every failure leaves here as a typed error of `app.errors`. A guarded request reaches public addresses only, and the
networks that the operator allows (`address`). What a status or a body means is `classify`'s business.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, NamedTuple, Protocol, Self

import aiohttp
from aiohttp.abc import AbstractResolver

from app.errors import InvalidProviderResponse, Origin, Phase, StreamInterrupted
from app.providers import outgoing_url, transport_errors
from app.providers.address import AddressGuard
from app.providers.first_words import FirstWords
from app.providers.guarded_connector import open_connector
from app.providers.outgoing_url import UnusableUrl
from app.providers.pace import Pace
from app.providers.paced_body import PacedBody
from app.providers.provider import Deadlines

USER_AGENT: Final = "voyage-llm-gateway/0.1"
MAX_RESPONSE_BYTES: Final = 128_000_000
"""An answer of 128,000 tokens is some 60 MB on the most talkative wire."""
_MAX_LINE_BYTES: Final = 8190
"""Of the status line, and of one header; three times what providers send."""
_MAX_HEADERS: Final = 128
_BUFFER_BYTES: Final = 65_536
"""How far the socket is read ahead; twice that is held at most."""
_PIECE_BYTES: Final = 16_384
"""How much of a body is given at once."""
_PLAIN: Final = frozenset({"", "identity"})


class Body(Protocol):
    """Where the bytes of a response come from."""

    async def readany(self) -> bytes:
        """Give what is there, waiting for the first byte; nothing means the end."""
        ...


@dataclass(slots=True)
class UpstreamResponse:
    """A response whose head has arrived."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    _body: Body
    _origin: Origin
    _limit: int = MAX_RESPONSE_BYTES
    _received: int = 0
    _rest: bytes = b""
    """What has arrived beyond the last piece."""

    @property
    def compressed(self) -> bool:
        """Whether the body is compressed, although none was asked for; it is never unpacked."""
        return self.headers.get("content-encoding", "").lower() not in _PLAIN

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the body as it arrives.

        Raises what `readany` raises.
        """
        while chunk := await self.readany():
            yield chunk

    async def readany(self) -> bytes:
        """Give what has arrived of the body, waiting for its first byte; nothing means the end.

        Raises `StreamInterrupted` when the connection breaks before its end, `InvalidProviderResponse` for a
        compressed body and for one beyond the limit.
        """
        if not self._received and self.compressed:
            message = f"{self._origin.label} sent a compressed answer although none was asked for."
            raise InvalidProviderResponse(message, origin=self._origin)
        return await self._next()

    async def read(self, limit: int) -> bytes:
        """Give at most the first `limit` bytes of the body; nothing of a compressed one."""
        parts: list[bytes] = []
        size = 0
        while not self.compressed and size < limit and (chunk := await self._next()):
            parts.append(chunk)
            size += len(chunk)
        return b"".join(parts)[:limit]

    async def _next(self) -> bytes:
        if self._rest:
            # Whoever is ready gets a turn: work on a piece may take milliseconds, and a fast upstream never pauses.
            await asyncio.sleep(0)
            piece, self._rest = self._rest[:_PIECE_BYTES], self._rest[_PIECE_BYTES:]
            return piece
        try:
            chunk = await self._body.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise StreamInterrupted(origin=self._origin) from error
        self._received += len(chunk)
        if self._received > self._limit:
            message = f"{self._origin.label} sent more than {self._limit:,} bytes."
            raise InvalidProviderResponse(
                message, action="Ask for a shorter answer.", origin=self._origin, phase=Phase.MID_STREAM
            )
        if len(chunk) > _PIECE_BYTES:
            chunk, self._rest = chunk[:_PIECE_BYTES], chunk[_PIECE_BYTES:]
        return chunk


class Sender(Protocol):
    """Whoever sends requests: `Transport`, or a stand-in with a ready answer."""

    def request(  # noqa: PLR0913 - the parts of one HTTP request
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        deadlines: Deadlines,
        origin: Origin,
        guarded: bool = True,
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """See `Transport.request`."""
        ...


class _Sessions(NamedTuple):
    """One pool for each kind of request."""

    trusted: aiohttp.ClientSession
    """To wherever the operator said."""
    guarded: aiohttp.ClientSession
    inside: aiohttp.ClientSession
    """For what is guarded and unencrypted: into the operator's networks only."""


class Transport:
    """Owner of the connection pools; use it as an async context manager, in one event loop."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        guard: AddressGuard | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        resolver: AbstractResolver | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Take `tls` as the trust store for https, the system's by default, and `resolver` for guarded names.

        `pace` says how often a body is read; by default as often as this process has time for.

        Without a `guard` every address is the operator's word, as on a developer's command line.
        """
        self.guard = guard
        self._tls = tls
        self._max_response_bytes = max_response_bytes
        self._resolver = resolver
        self._pace = Pace() if pace is None else pace
        self.first_words = FirstWords()
        """Whoever begins or shows a run tells this, so that the other streams let it go first."""
        self._sessions: _Sessions | None = None
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the pools."""
        # aiohttp has read the system's trust store when it was imported, which takes 30 ms of CPU: `True` is that one.
        tls = self._tls or True
        trusted = await self._open_session(tls, None)
        if self.guard is None:
            self._sessions = _Sessions(trusted, trusted, trusted)
        else:
            guarded = await self._open_session(tls, self.guard)
            self._sessions = _Sessions(trusted, guarded, await self._open_session(tls, self.guard.inside()))
        return self

    async def _open_session(
        self, tls: ssl.SSLContext | Literal[True], guard: AddressGuard | None
    ) -> aiohttp.ClientSession:
        return await self._closing.enter_async_context(
            aiohttp.ClientSession(
                connector=open_connector(tls, guard, self._resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                headers={"User-Agent": USER_AGENT},
                max_line_size=_MAX_LINE_BYTES,
                max_field_size=_MAX_LINE_BYTES,
                max_headers=_MAX_HEADERS,
                read_bufsize=_BUFFER_BYTES,
            )
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._sessions = None
        await self._closing.aclose()

    @asynccontextmanager
    async def request(  # noqa: PLR0913 - the parts of one HTTP request
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        deadlines: Deadlines,
        origin: Origin,
        guarded: bool = True,
    ) -> AsyncGenerator[UpstreamResponse]:
        """Send one request and give the response once its head is here; leaving the block closes the socket.

        The head has `first_token_s` to arrive. Only what the operator has set the address of may go `guarded=False`
        (`Route.guarded`). Raises `AddressNotAllowed`, `ProviderUnreachable`, `TlsError`, `ProviderTimeout` or
        `InvalidProviderResponse`; a status of any kind is no error here.
        """
        try:
            session = self._session_for(url, guarded=guarded)
            response = await _open(session, method, url, headers=headers, body=body, deadlines=deadlines)
        except (aiohttp.ClientError, OSError, UnusableUrl) as error:
            raise transport_errors.explain(error, deadlines, origin) from error
        try:
            yield UpstreamResponse(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                PacedBody(response, self._pace, self.first_words),
                origin,
                self._max_response_bytes,
            )
        finally:
            # A body that was read to its end has already given its connection back to the pool.
            response.close()

    def _session_for(self, url: str, *, guarded: bool) -> aiohttp.ClientSession:
        """Give the pool for a request; raises `UnusableUrl` and `ForbiddenAddress` before anything is connected to."""
        if self._sessions is None:
            message = "the transport is not open"
            raise RuntimeError(message)
        encrypted, host = outgoing_url.read(url)
        if self.guard is None or not guarded:
            return self._sessions.trusted
        (self.guard if encrypted else self.guard.inside()).check_host(host)
        return self._sessions.guarded if encrypted else self._sessions.inside


async def _open(  # noqa: PLR0913 - the parts of one HTTP request
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    deadlines: Deadlines,
) -> aiohttp.ClientResponse:
    async with asyncio.timeout(deadlines.first_token_s):
        return await session.request(
            method,
            url,
            headers={**headers, "Accept-Encoding": "identity"},
            # Otherwise the library looks for who knows how to send bytes.
            data=None if body is None else aiohttp.BytesPayload(body),
            allow_redirects=False,
            # No limit for a single read: that would set a timer anew for each.
            timeout=aiohttp.ClientTimeout(total=None, connect=deadlines.connect_s),
        )
