"""The one HTTP client for everything that the gateway sends to a provider.

No redirect is followed, no environment variable is read, nothing is decompressed, and every failure leaves here as a
typed error of `app.errors`. What a status or a body means is `classify`'s business.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

import aiohttp

from app.errors import (
    GatewayError,
    InvalidProviderResponse,
    Origin,
    ProviderTimeout,
    ProviderUnreachable,
    StreamInterrupted,
    TlsError,
)
from app.providers.provider import Deadlines

USER_AGENT: Final = "voyage-llm-gateway/0.1"
_KEEPALIVE_S: Final = 30.0
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

    @property
    def compressed(self) -> bool:
        """Whether the body is compressed, although none was asked for; it is never unpacked."""
        return self.headers.get("content-encoding", "").lower() not in _PLAIN

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the body as it arrives.

        Raises `StreamInterrupted` when the connection breaks before its end, `InvalidProviderResponse` for a
        compressed one.
        """
        while chunk := await self.readany():
            yield chunk

    async def readany(self) -> bytes:
        """Give what is there of the body, waiting for some; nothing means its end. Raises what `chunks` does."""
        if self.compressed:
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
        try:
            return await self._body.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise StreamInterrupted(origin=self._origin) from error


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
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """See `Transport.request`."""
        ...


class Transport:
    """Owner of the connection pool; use it as an async context manager, in one event loop."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        """Take `tls` as the trust store for https; the system's by default."""
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the pool."""
        # Reading the trust store takes 30 ms of CPU.
        tls = self._tls or await asyncio.to_thread(ssl.create_default_context)
        connector = aiohttp.TCPConnector(
            limit=0,  # the hub bounds the runs, and each holds one connection
            keepalive_timeout=_KEEPALIVE_S,
            ssl=tls,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": USER_AGENT},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

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
    ) -> AsyncGenerator[UpstreamResponse]:
        """Send one request and give the response once its head is here; leaving the block closes the socket.

        The head has `first_token_s` to arrive. Raises `ProviderUnreachable`, `TlsError`, `ProviderTimeout` or
        `InvalidProviderResponse`; a status of any kind is no error here.
        """
        response = await self._open(method, url, headers=headers, body=body, deadlines=deadlines, origin=origin)
        try:
            yield UpstreamResponse(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                response.content,
                origin,
            )
        finally:
            # A body that was read to its end has already given its connection back to the pool.
            response.close()

    async def _open(  # noqa: PLR0913 - see request
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        deadlines: Deadlines,
        origin: Origin,
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            message = "the transport is not open"
            raise RuntimeError(message)
        try:
            async with asyncio.timeout(deadlines.first_token_s):
                response = await self._session.request(
                    method,
                    url,
                    headers={**headers, "Accept-Encoding": "identity"},
                    data=body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, connect=deadlines.connect_s),
                )
        except (aiohttp.ClientError, OSError) as error:
            raise _explain(error, deadlines, origin) from error
        return response


_BEFORE_HEAD: Final[tuple[tuple[type[Exception], type[GatewayError], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, ProviderTimeout, "{label} could not be connected to in {connect_s:g} s."),
    (TimeoutError, ProviderTimeout, "{label} did not begin to answer in {first_token_s:g} s."),
    (aiohttp.ClientConnectorCertificateError, TlsError, "The TLS certificate of {label} is not valid."),
    (aiohttp.ClientConnectorSSLError, TlsError, "The TLS handshake with {label} failed."),
    (ssl.SSLError, TlsError, "The TLS handshake with {label} failed."),
    (aiohttp.ClientConnectorDNSError, ProviderUnreachable, "{label} cannot be reached: its host name has no address."),
    (aiohttp.ClientConnectorError, ProviderUnreachable, "{label} cannot be reached: the connection {failed}."),
    (aiohttp.ClientResponseError, InvalidProviderResponse, "{label} did not answer in valid HTTP."),
    (aiohttp.InvalidURL, ProviderUnreachable, "The base URL of {label} is not valid."),
)
"""What a failure before the response head means; the first row that fits stands, so the special come first."""
_CLOSED: Final = (ProviderUnreachable, "{label} cannot be reached: it closed the connection without an answer.")


def _explain(error: Exception, deadlines: Deadlines, origin: Origin) -> GatewayError:
    kind, text = next(((kind, text) for foreign, kind, text in _BEFORE_HEAD if isinstance(error, foreign)), _CLOSED)
    refused = isinstance(getattr(error, "os_error", None), ConnectionRefusedError)
    message = text.format(
        label=origin.label,
        connect_s=deadlines.connect_s,
        first_token_s=deadlines.first_token_s,
        failed="was refused" if refused else "failed",
    )
    return kind(message, origin=origin)
