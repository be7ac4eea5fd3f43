"""Voyage's own database, read and never written: all of it in one transaction that sees one moment."""

import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Table,
    Text,
    Uuid,
    any_,
    case,
    cast,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import ArgumentError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.engine import UnknownOption, connect_url, open_engine
from app.db.failures import failures
from app.db.types import UtcDateTime
from app.db.voyage_tables import (
    CONVERSATIONS,
    KEYS,
    MESSAGES,
    PROMPTS,
    SETTINGS,
    MessageOutline,
    VoyageConversation,
    VoyageKey,
    VoyageMessage,
    VoyagePrompt,
    VoyageSettings,
)
from app.errors import ConfigError, GatewayError, VoyageUnavailable

STATEMENT_SECONDS: Final = 600
"""What one statement may take; a busy Voyage is slow, and a page of its rows is worth waiting for."""
_OPTION: Final = "--from (VOYAGE_DATABASE_URL)"
_FAILURES: Final = (*failures(), asyncpg.InternalClientError, UnicodeError, OverflowError)
_REFUSED: Final = {
    "28000": "the server does not let this user in from here",
    "28P01": "the server does not know this user with this password",
    "3D000": "the server has no database of this name",
    "42501": "this user may not read Voyage's tables",
}
"""SQLSTATEs that only the operator can mend, in words."""
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""PostgreSQL knows times outside of these, and infinity; Python and SQLite do not."""
_USERS: Final = "users_customuser"
_TABLES: Final = (CONVERSATIONS, MESSAGES, KEYS, SETTINGS, PROMPTS)
_COLUMNS: Final = text(
    "SELECT c.relname, a.attname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid "
    "WHERE pg_catalog.pg_table_is_visible(c.oid) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
    "AND a.attnum > 0 AND NOT a.attisdropped AND c.relname = ANY(CAST(:names AS text[]))"
)
_PATIENT: Final = (
    f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'",
    # Between two pages this transaction waits for the other database.
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)


@dataclass(frozen=True, slots=True)
class VoyageSource:
    """Gives Voyage's rows page by page; every page is ordered and begins after a row of the page before.

    Every method raises `VoyageUnavailable` when the connection or a statement fails.
    """

    _connection: AsyncConnection
    _columns: dict[str, frozenset[str]]

    @property
    def is_empty(self) -> bool:
        """Whether this is no database of Voyage's."""
        return not self._columns

    def missing(self, *tables: Table) -> str:
        """Say what this Voyage, an older or a newer one, lacks of the tables; "" when they can be read."""
        for table in tables:
            present = self._columns.get(table.name)
            if present is None:
                return f"no table {table.name}"
            lacking = sorted({column.name for column in table.columns} - present)
            if lacking:
                return f"no column {lacking[0]} in {table.name}"
        return ""

    async def conversations(self, *, after: UUID | None, limit: int) -> Sequence[VoyageConversation]:
        """Give conversations by id."""
        table = CONVERSATIONS.c
        count = select(func.count()).where(MESSAGES.c.conversation_id == table.id).scalar_subquery()
        times = (_moment(table.created_at).label("created_at"), _moment(table.updated_at).label("updated_at"))
        query = select(table.id, table.user_id, table.title, *times, count.label("messages")).order_by(table.id)
        if after is not None:
            query = query.where(table.id > after)
        return [VoyageConversation(**row) for row in await self._rows(query.limit(limit))]

    async def outlines(
        self, conversation_ids: Sequence[UUID], *, after: MessageOutline | None, limit: int
    ) -> Sequence[MessageOutline]:
        """Give the messages of some conversations, one conversation after the other, each in the order it was held."""
        table, rank, created_at = MESSAGES.c, _rank(), _moment(MESSAGES.c.created_at)
        # As text, because that is what is held in memory; on the disk it may be a hundredth of it.
        calls = func.octet_length(cast(table.tool_calls, Text))
        size = func.octet_length(table.content) + func.coalesce(calls, 0)
        named = (created_at.label("created_at"), rank.label("rank"), size.label("size"))
        place = (table.conversation_id, created_at, rank, table.id)
        query = select(table.id, table.conversation_id, *named).order_by(*place).limit(limit)
        query = query.where(table.conversation_id == _any(conversation_ids))
        if after is not None:
            last = (literal(after.conversation_id, Uuid), literal(after.created_at, UtcDateTime), literal(after.rank))
            query = query.where(tuple_(*place) > tuple_(*last, literal(after.id, Uuid)))
        return [MessageOutline(**row) for row in await self._rows(query)]

    async def messages(self, ids: Sequence[UUID]) -> dict[UUID, VoyageMessage]:
        """Give whole messages by their ids."""
        if not ids:
            return {}
        table = MESSAGES.c
        texts = (table.content, cast(table.tool_calls, Text).label("tool_calls"), table.tool_call_id, table.name)
        query = select(table.id, table.role, *texts, _moment(table.created_at).label("created_at"))
        rows = await self._rows(query.where(table.id == _any(ids)))
        return {row["id"]: VoyageMessage(**row) for row in rows}

    async def keys(self, *, after: VoyageKey | None, limit: int) -> Sequence[VoyageKey]:
        """Give provider keys, those of one user together."""
        table = KEYS.c
        query = select(table.id, table.user_id, table.provider, table.encrypted_api_key, *_moments(KEYS))
        query = query.order_by(table.user_id, table.id).limit(limit)
        if after is not None:
            last = (literal(after.user_id, BigInteger), literal(after.id, Uuid))
            query = query.where(tuple_(table.user_id, table.id) > tuple_(*last))
        return [VoyageKey(**row) for row in await self._rows(query)]

    async def settings(self, *, after: UUID | None, limit: int) -> Sequence[VoyageSettings]:
        """Give AI settings by id."""
        table = SETTINGS.c
        chosen = (table.preferred_provider, table.preferred_model)
        query = select(table.id, table.user_id, *chosen, *_moments(SETTINGS)).order_by(table.id).limit(limit)
        if after is not None:
            query = query.where(table.id > after)
        return [VoyageSettings(**row) for row in await self._rows(query)]

    async def prompts(self, *, after: int | None, limit: int) -> Sequence[VoyagePrompt]:
        """Give system prompts by id."""
        table = PROMPTS.c
        query = select(table.id, table.prompt_text, _moment(table.updated_at).label("updated_at"))
        query = query.order_by(table.id).limit(limit)
        if after is not None:
            query = query.where(table.id > after)
        return [VoyagePrompt(**row) for row in await self._rows(query)]

    async def _rows(self, query: Executable) -> Sequence[Any]:
        with _translated():
            return (await self._connection.execute(query)).mappings().all()


@asynccontextmanager
async def open_voyage(url: str) -> AsyncGenerator[VoyageSource]:
    """Open Voyage's PostgreSQL for the block, read only and as it is at this moment.

    Raises `ConfigError` for a URL, a user or a database that cannot be right, and `VoyageUnavailable` when the server
    does not answer; neither shows the URL.
    """
    engine = _engine(url)
    try:
        with _translated():
            connection = await engine.connect()
        try:
            with _translated():
                for statement in _PATIENT:
                    await connection.execute(text(statement))
                source = VoyageSource(connection, await _columns(connection))
            if source.is_empty:
                message = f"{_OPTION}: this database has none of Voyage's tables."
                raise ConfigError(message)
            yield source
        finally:
            with suppress(*_FAILURES):
                await connection.close()
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    try:
        if connect_url(url).get_backend_name() == "postgresql":
            engine = open_engine(url, statement_s=STATEMENT_SECONDS)
            return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    except UnknownOption as error:
        message = f"{_OPTION}: {error.complaint}."
        raise ConfigError(message) from None
    except (ConfigError, ArgumentError):
        pass
    message = (
        f"{_OPTION}: not the URL of a PostgreSQL database, as postgresql://user:password@host/name?sslmode=require is."
    )
    raise ConfigError(message)


async def _columns(connection: AsyncConnection) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    names = [*(table.name for table in _TABLES), _USERS]
    for table, column in await connection.execute(_COLUMNS, {"names": names}):
        found.setdefault(table, set()).add(column)
    return {table: frozenset(columns) for table, columns in found.items()}


def _any(ids: Sequence[UUID]) -> ColumnElement[Any]:
    """One parameter, however many ids there are."""
    return any_(literal(list(ids), ARRAY(Uuid)))


def _moment(column: ColumnElement[datetime]) -> ColumnElement[datetime]:
    latest, earliest = literal(_LATEST, UtcDateTime), literal(_EARLIEST, UtcDateTime)
    return func.greatest(func.least(column, latest), earliest, type_=UtcDateTime)


def _moments(table: Table) -> tuple[ColumnElement[datetime], ColumnElement[datetime]]:
    return _moment(table.c.created_at).label("created_at"), _moment(table.c.updated_at).label("updated_at")


def _rank() -> ColumnElement[int]:
    """The order of a turn: what was asked, the calls for tools, their results, the answer."""
    table = MESSAGES.c
    empty = cast(literal("[]", Text), table.tool_calls.type)
    calls = (table.role == "assistant") & (func.jsonb_typeof(table.tool_calls) == "array") & (table.tool_calls != empty)
    return case((table.role == "system", 0), (table.role == "user", 1), (calls, 2), (table.role == "tool", 3), else_=4)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except _FAILURES as failure:
        raise _as_error(failure) from None


def _as_error(failure: Exception) -> ConfigError | GatewayError:
    """Say what is wrong without a word of the failure's own, which may hold the URL."""
    cause = failure.orig if isinstance(failure, StatementError) and failure.orig is not None else failure
    cause = cause.__cause__ or cause  # the driver's own, below SQLAlchemy's
    sqlstate = str(getattr(cause, "sqlstate", None) or "")
    if sqlstate in _REFUSED:
        return ConfigError(f"{_OPTION}: {_REFUSED[sqlstate]}.")
    match cause:
        case asyncpg.exceptions.ClientConfigurationError():
            return ConfigError(f"{_OPTION}: an option of this URL cannot be used.")
        case ConnectionRefusedError() | FileNotFoundError():
            what = "refuses the connection"
        case socket.gaierror():
            what = "has a host that cannot be found"
        case TimeoutError():
            what = "does not answer in time"
        case UnicodeDecodeError():
            what = "holds text that is not UTF-8"
        case OverflowError() | UnicodeError():
            return ConfigError(f"{_OPTION}: the host or the port of this URL cannot be one.")
        case _:
            what = f"fails ({sqlstate or type(cause).__name__})"
    action = "Is it running, and is the address right? What is imported by now stays; run it again."
    return VoyageUnavailable(f"{_OPTION}: the database {what}.", action=action)
