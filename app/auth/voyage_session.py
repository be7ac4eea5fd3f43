"""People who are signed in to Voyage: the session cookie that their browser sends, and what Voyage says about it."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Final, final

import structlog
from typing_extensions import override

from app.auth import csrf
from app.auth.caller import Authenticator, Caller
from app.auth.known_sessions import KnownSessions
from app.cache import CacheClosed, SharedCache
from app.errors import AuthUnavailable, NotAuthenticated
from app.secret import Secret
from app.voyage.away import WAIT_S, VoyageAway
from app.voyage.client import CROWDED, SESSION_ID, VoyageClient
from app.voyage.whoami import VoyageUser, who_is

COOKIE: Final = "sessionid"
METHOD: Final = "voyage_session"
MAX_SESSIONS: Final = 10_000
NOBODY_TTL_S: Final = 5.0
"""How long a session that is nobody's is not asked about again."""
CROWDED_LOG_S: Final = 10.0
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_log: Final = structlog.stdlib.get_logger(__name__)


def read_cookies(header: str) -> dict[str, list[str]]:
    """Give the values of each cookie in a Cookie header, in its order; a value may be empty (RFC 6265, section 4.2.1).

    Double quotes around a value are taken off, as Django does; escapes within them are left, as no cookie that is
    read here has any.
    """
    cookies: dict[str, list[str]] = {}
    for pair in header.split(";"):
        name, sign, value = (part.strip(" \t") for part in pair.partition("="))
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        if sign:
            cookies.setdefault(name, []).append(value)
    return cookies


@final
class VoyageSessions(Authenticator):
    """Asks Voyage once for each session and believes it for a while. `close` it.

    Knows sessions by their digest only. One that was somebody's not long ago never waits for those never seen.
    """

    def __init__(
        self,
        client: VoyageClient,
        *,
        trusted_origins: frozenset[str],
        ttl_s: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask through `client`, which must be open as long as this is.

        A logout is effective `ttl_s` seconds later at the latest; changes may come from pages at `trusted_origins`.
        """
        self._client = client
        self._origins = trusted_origins
        self._ttl_s = ttl_s
        self._monotonic = monotonic
        self._silent_until = -math.inf
        self._known = KnownSessions(monotonic=monotonic)
        self._users = SharedCache[bytes, VoyageUser | None](max_entries=MAX_SESSIONS, monotonic=monotonic)

    @override
    async def identify(self, headers: Mapping[str, str], *, method: str) -> Caller:
        """Give whose session the cookie is.

        Raises `NotAuthenticated`, `AuthUnavailable` where Voyage does not say, and for methods that change something
        `Forbidden` without the CSRF token or from a foreign page. No header but these three is looked at.
        """
        cookies = read_cookies(headers.get("cookie", ""))
        session = _session_in(cookies)
        user = await self._ask(session)
        if user is None:
            message = "Your session at Voyage has ended."
            raise NotAuthenticated(message, action="Sign in again.")
        if method not in _SAFE:
            csrf.check(headers, cookies, self._origins)
        return Caller(user_id=user.id, method=METHOD, session=session)

    async def close(self) -> None:
        """End the questions under way; who waits for one gets `AuthUnavailable`."""
        await self._users.close()

    async def _ask(self, session: Secret) -> VoyageUser | None:
        digest = hashlib.sha256(session.reveal().encode()).digest()

        async def load() -> VoyageUser | None:
            try:
                user = await who_is(self._client, session, known=digest in self._known)
            except VoyageAway as away:
                # Here and not where it is raised again: once for each question, however many wait for the answer.
                self._log(away)
                raise
            self._known.note(digest, good=user is not None)
            return user

        try:
            return await self._users.get(digest, load, self._keep_s)
        except VoyageAway as away:
            raise AuthUnavailable(retry_after_s=away.wait_s()) from None
        except CacheClosed:
            raise AuthUnavailable(retry_after_s=WAIT_S) from None

    def _log(self, away: VoyageAway) -> None:
        now = self._monotonic()
        if away.reason == CROWDED:
            # Who makes sessions up shall not fill the log, too.
            if now < self._silent_until:
                return
            self._silent_until = now + CROWDED_LOG_S
        _log.warning("voyage_away", part="session", reason=away.reason)

    def _keep_s(self, user: VoyageUser | None) -> float:
        return NOBODY_TTL_S if user is None else self._ttl_s


def _session_in(cookies: Mapping[str, list[str]]) -> Secret:
    given = list({value for value in cookies.get(COOKIE, ()) if value})
    if len(given) > 1:
        message = f"Two different {COOKIE} cookies came."
        raise NotAuthenticated(message, action="Delete this site's cookies and sign in again.")
    if not given:
        raise NotAuthenticated
    if not SESSION_ID.fullmatch(given[0]):
        message = f"The {COOKIE} cookie is not one of Voyage's."
        raise NotAuthenticated(message, action="Sign in again.")
    return Secret(given[0])
