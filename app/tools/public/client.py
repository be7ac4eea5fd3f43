"""The HTTP client for public services: says who asks, and asks nobody but the addresses that the operator has set.

No redirect is followed, no environment variable is read, nothing is decompressed, and nothing of a caller goes along
but what a tool puts into its question. What an answer means is for the modules that ask.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, final

import aiohttp
import orjson
from aiohttp.http import HttpProcessingError

from app.tools.public.failure import PublicFailure, Reason

PRODUCT: Final = "voyage-llm-gateway/0.1"
_KEEPALIVE_S: Final = 30.0
_CONNECT_S: Final = 5.0
_NO_TOTAL: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=_CONNECT_S, sock_read=None)
_MAX_LINE_BYTES: Final = 8190
_PLAIN: Final = frozenset({"", "identity"})
_BLOCKED: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_ACCEPTABLE})
"""Overpass says 406 to those whose `User-Agent` it does not like."""
_RETRY_SECONDS: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request to a service."""

    service: str
    """Its name as people read it."""
    url: str
    query: Mapping[str, str]
    form: Mapping[str, str] | None = None
    """Sent as a POST, where there is one."""
    max_bytes: int


@final
class Throttled(Exception):
    """The service wants to be left alone, for a while or for good; `after_s` seconds, where it says so."""

    def __init__(self, after_s: float | None, reason: Reason) -> None:
        """Take how long, and whether it is for a while or for good."""
        super().__init__()
        self.after_s = after_s
        self.reason: Reason = reason


@final
class PublicClient:
    """Owner of the connections; use it as an async context manager, in one event loop."""

    def __init__(self, *, contact: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        """Take where the operator can be reached, for the `User-Agent`, and a trust store other than the system's."""
        self._agent = f"{PRODUCT} ({contact})" if contact else PRODUCT
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=_NO_TOTAL,
            headers={"User-Agent": self._agent, "Accept": "application/json", "Accept-Encoding": "identity"},
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection; requests under way end with `closed`."""
        if self._session is not None:
            await self._session.close()

    async def fetch(self, question: Question, *, seconds: float) -> object:
        """Give the JSON of an answer with status 200; raises `PublicFailure`, and `Throttled`."""
        if self._session is None:
            message = "the client is not open"
            raise RuntimeError(message)
        try:
            async with asyncio.timeout(seconds):
                return await _ask(self._session, question)
        except (aiohttp.ClientError, HttpProcessingError, OSError, UnicodeError) as error:
            reason = _reason(error)
        # Outside of the handler: the library's errors carry the URL with what was asked.
        raise PublicFailure(question.service, reason)


async def _ask(http: aiohttp.ClientSession, question: Question) -> object:
    if http.closed:
        raise PublicFailure(question.service, "closed")
    method = "GET" if question.form is None else "POST"
    response = await http.request(
        method, question.url, params=question.query, data=question.form, allow_redirects=False
    )
    try:
        _check_status(response, question)
        return await _read(response, question)
    finally:
        # A body that was read to its end has already given its connection back to the pool.
        response.close()


def _check_status(response: aiohttp.ClientResponse, question: Question) -> None:
    status = response.status
    if status == HTTPStatus.OK:
        return
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        after = response.headers.get("Retry-After", "")
        raise Throttled(float(after) if _RETRY_SECONDS.fullmatch(after) else None, "throttled")
    if status in _BLOCKED:
        raise Throttled(None, "blocked")
    if status // 100 == 3:  # noqa: PLR2004 - the class of statuses itself
        raise PublicFailure(question.service, "redirected")
    overloaded = status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
    raise PublicFailure(question.service, "overloaded" if overloaded else status)


async def _read(response: aiohttp.ClientResponse, question: Question) -> object:
    parts: list[bytes] = []
    size = response.content_length or 0
    if size <= question.max_bytes:
        size = 0
        while size <= question.max_bytes and (part := await response.content.readany()):
            parts.append(part)
            size += len(part)
    if size > question.max_bytes:
        raise PublicFailure(question.service, "too_large")
    plain = response.headers.get("Content-Encoding", "").lower() in _PLAIN
    try:
        return orjson.loads(b"".join(parts) if plain else b"")
    except orjson.JSONDecodeError:
        failure = PublicFailure(question.service, "not_json")
    # Outside of the handler: the library's error carries the whole answer.
    raise failure


_REASONS: Final[tuple[tuple[type[Exception], Reason], ...]] = (
    (TimeoutError, "timeout"),
    (aiohttp.ClientSSLError, "tls"),
    (ssl.SSLError, "tls"),
    (aiohttp.ClientConnectorDNSError, "no_address"),
    (aiohttp.ClientConnectorError, "unreachable"),
    (aiohttp.InvalidURL, "no_address"),
    (UnicodeError, "no_address"),  # a host name that IDNA cannot write
    (aiohttp.ClientResponseError, "not_http"),
    (HttpProcessingError, "not_http"),  # within a body it comes as it is, where aiohttp's own C parser is not there
)
"""The first row that fits stands, so the special come first."""


def _reason(error: Exception) -> Reason:
    if isinstance(getattr(error, "os_error", error), ConnectionRefusedError):
        return "refused"
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return "closed"
