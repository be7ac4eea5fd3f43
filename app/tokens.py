"""Service tokens from their creation to their end, and the book in which the gateway looks them up."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, final

import structlog

from app.auth.caller import Scope
from app.auth.service_tokens import MAX_USER_ID_CHARS, KnownToken, digest_of, is_printable, make_token, utc_now
from app.db.models import ServiceToken
from app.db.service_tokens import (
    find_service_token,
    insert_service_token,
    list_service_tokens,
    revoke_service_token,
    touch_service_token,
)
from app.db.session import Database
from app.errors import InvalidInput, StorageUnavailable
from app.secret import Secret

MAX_NAME_CHARS: Final = 100
USE_NOTED_EVERY: Final = timedelta(hours=1)
"""How old the note of the last use may be: a write for each request would be the most work of many of them."""
PAUSE: Final = timedelta(minutes=1)
"""How long no use is noted after that has failed."""
CLOSE_SECONDS: Final = 1.0
"""What notes that are being written get to be done when the book is closed."""
_log: Final = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What a person may see of a token."""

    id: str
    name: str
    user_id: str
    """Whom it acts for by itself."""
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """The last use that was noted; later ones are at most `USE_NOTED_EVERY` later."""

    def state(self, now: datetime) -> str:
        """Give `valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


async def create_token(  # noqa: PLR0913 - one keyword for each thing that can be chosen
    database: Database,
    *,
    name: str,
    user_id: str,
    scopes: frozenset[Scope],
    expires_at: datetime | None,
    now: datetime,
) -> tuple[Secret, TokenFacts]:
    """Store a new token and give it, for the only time.

    Raises `InvalidInput`, before the database is asked, on `name`, `user_id`, `scopes` or `expires_at`, and
    `StorageUnavailable`.
    """
    name, user_id = name.strip(), user_id.strip()
    _check(name, user_id, scopes, expires_at, now)
    token_id, token = make_token()
    async with database.write() as session:
        row = await insert_service_token(
            session,
            token_id=token_id,
            name=name,
            user_id=user_id,
            digest=digest_of(token.reveal()),
            scopes=sorted(scope.value for scope in scopes),
            expires_at=expires_at,
            now=now,
        )
    return token, _facts(row)


async def list_tokens(database: Database) -> tuple[TokenFacts, ...]:
    """Give all tokens, the oldest first; raises `StorageUnavailable`."""
    async with database.read() as session:
        return tuple(_facts(row) for row in await list_service_tokens(session))


async def revoke_token(database: Database, token_id: str, *, now: datetime) -> TokenFacts:
    """End a token, from the next request on; may be repeated. Raises `NotFound` or `StorageUnavailable`."""
    async with database.write() as session:
        return _facts(await revoke_service_token(session, token_id=token_id, now=now))


@final
class TokenBook:
    """Finds tokens in the database and notes when they are used; `close` it before the database.

    A use is noted by a task beside the request: the request neither waits for it nor fails with it, as a full disk
    or a locked file must not lock callers out who only read.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        """Take the database, which stays the caller's, and the time with its zone."""
        self._database = database
        self._clock = clock
        self._notes: dict[str, asyncio.Task[None]] = {}
        self._paused_until = datetime.min.replace(tzinfo=UTC)

    async def find(self, token_id: str) -> KnownToken | None:
        """Give the token with this id as it is stored now; raises `StorageUnavailable`."""
        async with self._database.read() as session:
            row = await find_service_token(session, token_id=token_id)
        if row is None:
            return None
        return KnownToken(
            id=row.id,
            name=row.name,
            user_id=row.user_id,
            digest=row.digest,
            scopes=_scopes(row),
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            on_use=partial(self._used, row.id, row.last_used_at),
        )

    async def close(self) -> None:
        """Let the notes under way be written, and cancel what takes longer than `CLOSE_SECONDS`."""
        notes = list(self._notes.values())
        if not notes:
            return
        _, late = await asyncio.wait(notes, timeout=CLOSE_SECONDS)
        for note in late:
            note.cancel()
        await asyncio.gather(*notes, return_exceptions=True)

    def _used(self, token_id: str, last_used_at: datetime | None) -> None:
        now = self._clock()
        fresh = last_used_at is not None and last_used_at >= now - USE_NOTED_EVERY
        if fresh or token_id in self._notes or now < self._paused_until:
            return
        note = asyncio.create_task(self._note(token_id, now), name=f"note the use of token {token_id}")
        self._notes[token_id] = note
        note.add_done_callback(lambda _: self._notes.pop(token_id, None))

    async def _note(self, token_id: str, now: datetime) -> None:
        try:
            async with self._database.write() as session:
                await touch_service_token(session, token_id=token_id, used_at=now, stale_before=now - USE_NOTED_EVERY)
        except StorageUnavailable:
            self._paused_until = now + PAUSE
            _log.warning("token_use_not_noted", token_id=token_id)


def _check(name: str, user_id: str, scopes: frozenset[Scope], expires_at: datetime | None, now: datetime) -> None:
    wrong: dict[str, str] = {}
    if not is_printable(name, MAX_NAME_CHARS):
        wrong["name"] = f"A name has 1 to {MAX_NAME_CHARS} printable characters."
    if not is_printable(user_id, MAX_USER_ID_CHARS):
        wrong["user_id"] = f"A user id has 1 to {MAX_USER_ID_CHARS} printable characters."
    if not scopes - {Scope.ACT_AS}:
        wrong["scopes"] = "A token needs the scope chat or settings; act_as alone allows nothing."
    if expires_at is not None and expires_at <= now:
        wrong["expires_at"] = "A token must expire in the future."
    if wrong:
        raise InvalidInput(" ".join(wrong.values()), fields={field: [text] for field, text in wrong.items()})


def _facts(row: ServiceToken) -> TokenFacts:
    return TokenFacts(
        id=row.id,
        name=row.name,
        user_id=row.user_id,
        scopes=_scopes(row),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _scopes(row: ServiceToken) -> frozenset[Scope]:
    # A scope that a later version has stored means nothing to this one, and allows nothing.
    return frozenset(scope for scope in Scope if scope.value in row.scopes)
