"""The HTTP client for Voyage's own server: asks as the caller whose session it is given, and for nothing else.

Only the session goes along. No redirect is followed, no environment variable is read, nothing is decompressed, and one
deadline covers a whole call. What an answer means is for the modules that ask.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType, TracebackType
from typing import Final, Literal, Self, final

import aiohttp
import orjson
from aiohttp.http import HttpProcessingError

from app.secret import Secret
from app.voyage.away import Reason, VoyageAway

SESSION_ID: Final = re.compile(r"[A-Za-z0-9]{16,128}")
"""How Django writes the id of a session, with room for other lengths than its 32."""
MAX_ANSWER_BYTES: Final = 5_000_000
"""A trip of a thousand places is about 3 MB."""
_USER_AGENT: Final = "voyage-llm-gateway/0.1"
_KEEPALIVE_S: Final = 30.0
_NO_LIMITS: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_PLAIN: Final = frozenset({"", "identity"})
_TOO_MANY_REQUESTS: Final = 429
_NO_CONTENT: Final = 204
_NEVER_SENT: Final[frozenset[Reason]] = frozenset({"refused", "no_address", "unreachable", "tls", "crowded"})
_RETRY_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_LONGEST_RETRY_S: Final = 3600
_CLOSED: Final[Reason] = "closed"
CROWDED: Final[Reason] = "crowded"
_TOO_LARGE: Final[Reason] = "too_large"
_NOT_JSON: Final[Reason] = "not_json"


class Asks(StrEnum):
    """What a call is about. Each kind has slots of its own, so that none of them waits for another."""

    DATA = "data"
    """Trips and preferences."""
    KNOWN_SESSION = "known_session"
    """Whose session one is that was somebody's not long ago."""
    NEW_SESSION = "new_session"
    """Whose session one is that was never seen: anybody can make these up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many calls of a kind may be under way at once, and how many may wait; None for as many as come."""

    slots: int
    waiting: int | None = None


ROOMS: Final[Mapping[Asks, Room]] = MappingProxyType(
    {
        Asks.DATA: Room(slots=16),
        Asks.KNOWN_SESSION: Room(slots=16),
        Asks.NEW_SESSION: Room(slots=8, waiting=32),
    }
)
"""Voyage's default server has two workers and takes about 0.2 s for a session: it answers all new ones that fit here
within the 5 s of a call, and a known one behind the new ones under way within one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyageAnswer:
    """An answer of Voyage's own: a status of 2xx, or of 4xx without 429."""

    status: int
    data: object
    """Parsed JSON; None for an answer of 4xx without any."""


@final
class _Slots:
    """The slots of one kind of call."""

    def __init__(self, room: Room) -> None:
        self._free = asyncio.Semaphore(room.slots)
        self._most_waiting = room.waiting
        self._waiting = 0

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[None]:
        """Have a slot for the block, in the order of coming; raises `VoyageAway` at once where too many wait."""
        if self._free.locked() and self._waiting == self._most_waiting:
            raise VoyageAway(CROWDED)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


@final
class VoyageClient:
    """Owner of the connections to Voyage; use it as an async context manager, in one event loop."""

    def __init__(self, base_url: str, *, seconds: float = 5.0, tls: ssl.SSLContext | None = None) -> None:
        """Take Voyage's address, the deadline of a call, and a trust store other than the system's."""
        self._base_url = base_url.rstrip("/")
        self._seconds = seconds
        self._tls = tls
        self._slots = {asks: _Slots(room) for asks, room in ROOMS.items()}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the pool."""
        tls: ssl.SSLContext | bool = True
        if self._base_url.lower().startswith("https:"):
            # Reading the trust store takes 30 ms of CPU.
            tls = self._tls or await asyncio.to_thread(ssl.create_default_context)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=_NO_LIMITS,
            headers={"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection; calls under way end with `closed`."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, session: Secret, *, asks: Asks = Asks.DATA) -> VoyageAnswer:
        """Ask for `path`, which begins with a slash, with a session id as the only cookie.

        The deadline counts from here: waiting for a slot of `ROOMS` is part of it. Raises `VoyageAway`, and
        `ValueError` for a session that is no session id.
        """
        if self._session is None:
            message = "the client is not open"
            raise RuntimeError(message)
        if not SESSION_ID.fullmatch(session.reveal()):
            message = "this is no session id"
            raise ValueError(message)
        try:
            async with asyncio.timeout(self._seconds), self._slots[asks].hold():
                return await self._ask(self._session, path, session)
        except (aiohttp.ClientError, HttpProcessingError, OSError, UnicodeError) as error:
            reason = _reason(error)
        # Outside of the handler: the library's errors carry the request with its cookie.
        raise VoyageAway(reason)

    async def send(
        self, method: Literal["POST", "PATCH", "DELETE"], path: str, session: Secret, body: object = None
    ) -> VoyageAnswer:
        """Change something as the caller, once: it is never tried again.

        The session goes in the header that takes the place of the cookie, for which Django asks no CSRF token. Raises
        `VoyageAway`, whose `sent` tells whether Voyage may have done it, and `ValueError` as `get`.
        """
        if self._session is None:
            message = "the client is not open"
            raise RuntimeError(message)
        if not SESSION_ID.fullmatch(session.reveal()):
            message = "this is no session id"
            raise ValueError(message)
        sent = False
        try:
            async with asyncio.timeout(self._seconds), self._slots[Asks.DATA].hold():
                sent = True
                return await self._change(self._session, method, path, session, body)
        except (aiohttp.ClientError, HttpProcessingError, OSError, UnicodeError) as error:
            reason = _reason(error)
        raise VoyageAway(reason, sent=sent and reason not in _NEVER_SENT)

    async def _change(
        self, http: aiohttp.ClientSession, method: str, path: str, session: Secret, body: object
    ) -> VoyageAnswer:
        if http.closed:
            raise VoyageAway(_CLOSED)
        response = await http.request(
            method,
            self._base_url + path,
            headers={"X-Session-Token": session.reveal(), "Content-Type": "application/json"},
            data=None if body is None else orjson.dumps(body),
            allow_redirects=False,
        )
        try:
            _check_status(response)
            if response.status == _NO_CONTENT:
                return VoyageAnswer(status=response.status, data=None)
            return VoyageAnswer(status=response.status, data=await _read(response))
        except VoyageAway as away:
            away.sent = response.status // 100 in _MAY_BE_DONE
            raise
        finally:
            response.close()

    async def _ask(self, http: aiohttp.ClientSession, path: str, session: Secret) -> VoyageAnswer:
        if http.closed:
            raise VoyageAway(_CLOSED)
        response = await http.get(
            self._base_url + path, headers={"Cookie": f"sessionid={session.reveal()}"}, allow_redirects=False
        )
        try:
            _check_status(response)
            return VoyageAnswer(status=response.status, data=await _read(response))
        finally:
            # A body that was read to its end has already given its connection back to the pool.
            response.close()


_MAY_BE_DONE: Final = frozenset({2, 5})
"""Classes of statuses of a change that was made, or that may have been: a proxy's 504 comes after the commit."""


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status // 100 in {2, 4} and status != _TOO_MANY_REQUESTS:
        return
    named: Mapping[int, Reason] = {3: "redirected", 4: "throttled"}
    reason = named.get(status // 100, status)
    raise VoyageAway(reason, retry_after_s=_retry_after(response.headers.get("Retry-After", "")))


def _retry_after(header: str) -> float | None:
    if not _RETRY_SECONDS.fullmatch(header):
        return None
    return float(min(max(int(header), 1), _LONGEST_RETRY_S))


async def _read(response: aiohttp.ClientResponse) -> object:
    """Give the JSON of the body, or None where a refusal has none; raises `VoyageAway`."""
    parts: list[bytes] = []
    size = response.content_length or 0
    if size <= MAX_ANSWER_BYTES:
        size = 0
        while size <= MAX_ANSWER_BYTES and (part := await response.content.readany()):
            parts.append(part)
            size += len(part)
    if size > MAX_ANSWER_BYTES:
        raise VoyageAway(_TOO_LARGE)
    plain = response.headers.get("Content-Encoding", "").lower() in _PLAIN
    try:
        return orjson.loads(b"".join(parts) if plain else b"")
    except orjson.JSONDecodeError:
        if response.status // 100 == 4:  # noqa: PLR2004 - the class of statuses itself
            return None
    raise VoyageAway(_NOT_JSON)


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
    cause = getattr(error, "os_error", error)
    if isinstance(cause, ConnectionRefusedError):
        return "refused"
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return _CLOSED
