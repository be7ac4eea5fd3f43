"""The HTTP client for Voyage's own server: asks as the caller whose session it is given, and for nothing else.

Only the session goes along. No redirect is followed, no environment variable is read, nothing is decompressed, and one
deadline covers a whole call. What an answer means is for the modules that ask.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, final

import aiohttp
import orjson
from aiohttp.http import HttpProcessingError

from app.secret import Secret

SESSION_ID: Final = re.compile(r"[A-Za-z0-9]{16,128}")
"""How Django writes the id of a session, with room for other lengths than its 32."""
MAX_ANSWER_BYTES: Final = 5_000_000
"""A trip of a thousand places is about 3 MB."""
MAX_CALLS: Final = 16
"""How many are under way at once; Voyage's default server has two workers. As many again ask whose session one is:
nobody's trip keeps others from signing in."""
_USER_AGENT: Final = "voyage-llm-gateway/0.1"
_KEEPALIVE_S: Final = 30.0
_NO_LIMITS: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_PLAIN: Final = frozenset({"", "identity"})
_TOO_MANY_REQUESTS: Final = 429
_RETRY_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_LONGEST_RETRY_S: Final = 3600
WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 60.0
"""Voyage may say a day, when a budget is spent; people try again before that."""
_CLOSED: Final = "closed"


@final
class VoyageAway(Exception):
    """Voyage gave no usable answer; its text is the reason and never has the session or the address."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        """Take a reason out of the list below and how long Voyage wants to be left alone, 1 to 3600 seconds."""
        super().__init__(reason)
        self.reason = reason
        """`refused`, `no_address`, `unreachable`, `tls`, `timeout`, `closed` (before or within the answer), `not_http`,
        `redirected`, `throttled`, `status_500` and the like, `too_large`, `not_json`, or what a module that asks
        finds wrong."""
        self.retry_after_s = retry_after_s

    def wait_s(self) -> float:
        """Give how many seconds a caller shall wait: `WAIT_S` where Voyage does not say, `LONGEST_WAIT_S` at most."""
        return WAIT_S if self.retry_after_s is None else min(self.retry_after_s, LONGEST_WAIT_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyageAnswer:
    """An answer of Voyage's own: a status of 2xx, or of 4xx without 429."""

    status: int
    data: object
    """Parsed JSON; None for an answer of 4xx without any."""


@final
class VoyageClient:
    """Owner of the connections to Voyage; use it as an async context manager, in one event loop."""

    def __init__(self, base_url: str, *, seconds: float = 5.0, tls: ssl.SSLContext | None = None) -> None:
        """Take Voyage's address, the deadline of a call, and a trust store other than the system's."""
        self._base_url = base_url.rstrip("/")
        self._seconds = seconds
        self._tls = tls
        self._slots = asyncio.Semaphore(MAX_CALLS)
        self._sign_in_slots = asyncio.Semaphore(MAX_CALLS)
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

    async def get(self, path: str, session: Secret, *, signs_in: bool = False) -> VoyageAnswer:
        """Ask for `path`, which begins with a slash, with a session id as the only cookie.

        The deadline counts from here: waiting for one of the `MAX_CALLS` slots is part of it; what `signs_in` has
        slots of its own. Raises `VoyageAway`, and `ValueError` for a session that is no session id.
        """
        if self._session is None:
            message = "the client is not open"
            raise RuntimeError(message)
        if not SESSION_ID.fullmatch(session.reveal()):
            message = "this is no session id"
            raise ValueError(message)
        try:
            slots = self._sign_in_slots if signs_in else self._slots
            async with asyncio.timeout(self._seconds), slots:
                return await self._ask(self._session, path, session)
        except (aiohttp.ClientError, HttpProcessingError, OSError, UnicodeError) as error:
            reason = _reason(error)
        # Outside of the handler: the library's errors carry the request with its cookie.
        raise VoyageAway(reason)

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


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status // 100 in {2, 4} and status != _TOO_MANY_REQUESTS:
        return
    reason = {3: "redirected", 4: "throttled"}.get(status // 100, f"status_{status}")
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
        reason = "too_large"
        raise VoyageAway(reason)
    plain = response.headers.get("Content-Encoding", "").lower() in _PLAIN
    try:
        return orjson.loads(b"".join(parts) if plain else b"")
    except orjson.JSONDecodeError:
        if response.status // 100 == 4:  # noqa: PLR2004 - the class of statuses itself
            return None
    reason = "not_json"
    raise VoyageAway(reason)


_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
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


def _reason(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    if isinstance(cause, ConnectionRefusedError):
        return "refused"
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), _CLOSED)
