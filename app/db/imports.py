"""Queries of the import from Voyage: what of it is here already, and many rows stored at once.

They read and write rows of all users; only the import, which is the operator's, uses them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import Insert, Update

from app.db.failures import as_gateway_error, failures
from app.db.models import AiSettings, Base, Conversation, Credential, ImportMark, Message, Run, SystemPrompt
from app.db.upsert import upsert
from app.errors import InvalidInput

UNSTORABLE: Final = "cannot be stored here"
OVERTAKEN: Final = "changed here at the same moment, so run the import again"
_TURN: Final = 7_205_759_404
"""The advisory lock of imports; any number that nobody else uses."""

Row = dict[str, Any]
Here_co = TypeVar("Here_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationHere:
    """What the import must know of a conversation that is here already."""

    user_id: str
    title: str
    next_seq: int
    updated_at: datetime
    has_runs: bool
    """Whether it was continued here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationsHere:
    """Which of Voyage's conversations and messages are here."""

    marks: Mapping[str, datetime]
    rows: Mapping[UUID, ConversationHere]
    homes: Mapping[UUID, UUID]
    """The conversation of each message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowHere:
    """A credential or AI settings that are here already."""

    id: UUID
    user_id: str
    provider: str = ""
    origin: str = ""
    """What the key is sealed for; like `provider` "" for AI settings."""
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsHere:
    """Which of Voyage's keys, or of its AI settings, were taken over, and what is here."""

    marks: Mapping[str, datetime]
    rows: Sequence[RowHere]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptHere:
    """Which version of the system prompt was taken over, and when the one here was set."""

    version: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A source row that is taken over, once the row it became is stored."""

    source_id: str
    version: datetime
    row_id: object


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRows:
    """What one transaction stores; rows are columns by name."""

    new: list[Row] = field(default_factory=list[Row])
    changed: list[Row] = field(default_factory=list[Row])
    messages: list[Row] = field(default_factory=list[Row])
    marks: list[Mark] = field(default_factory=list[Mark])

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.messages or self.marks)


class Reading(Protocol[Here_co]):
    """Reads what is here; `lock` keeps everybody else from changing it until the transaction ends."""

    async def __call__(self, session: AsyncSession, *, lock: bool) -> Here_co:
        """Give what is here."""
        ...


class Storing(Protocol):
    """Stores rows and their marks."""

    async def __call__(self, session: AsyncSession, *, rows: NewRows) -> dict[object, str]:
        """Give why for each id that is left out."""
        ...


async def take_turn(session: AsyncSession) -> None:
    """Wait until no other import is writing; SQLite's one writer needs no more than being that."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(_TURN)))


async def see_one_moment(session: AsyncSession) -> None:
    """Have all that a new session reads be of one moment, as on SQLite it is anyway.

    Else a row that another import stores between two statements is missing, while its mark is there.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


async def read_marks(session: AsyncSession, *, kind: str, source_ids: Iterable[str]) -> dict[str, datetime]:
    """Give the versions that were imported."""
    marks = select(ImportMark.source_id, ImportMark.version)
    found = await session.execute(marks.where(ImportMark.kind == kind, ImportMark.source_id.in_(list(source_ids))))
    return {row.source_id: row.version for row in found}


async def read_conversations(
    session: AsyncSession, *, kind: str, ids: Sequence[UUID], message_ids: Sequence[UUID], lock: bool
) -> ConversationsHere:
    """Give what is here of some conversations and messages; `lock` keeps everybody else from changing the former."""
    has_runs = select(Run.id).where(Run.conversation_id == Conversation.id).exists().label("has_runs")
    columns = (Conversation.id, Conversation.user_id, Conversation.title, Conversation.next_seq)
    query = select(*columns, Conversation.updated_at, has_runs).where(Conversation.id.in_(ids))
    # In one order, so that two who lock several never wait for one another.
    query = query.order_by(Conversation.id)
    rows = await session.execute(query.with_for_update() if lock else query)
    homes = await session.execute(select(Message.id, Message.conversation_id).where(Message.id.in_(message_ids)))
    return ConversationsHere(
        marks=await read_marks(session, kind=kind, source_ids=map(str, ids)),
        rows={
            row.id: ConversationHere(
                user_id=row.user_id,
                title=row.title,
                next_seq=row.next_seq,
                updated_at=row.updated_at,
                has_runs=row.has_runs,
            )
            for row in rows
        },
        homes={row.id: row.conversation_id for row in homes},
    )


async def read_credentials(
    session: AsyncSession, *, kind: str, ids: Sequence[UUID], user_ids: Sequence[str], lock: bool
) -> RowsHere:
    """Give the credentials that have one of the ids or belong to one of the users."""
    columns = (Credential.id, Credential.user_id, Credential.provider, Credential.origin, Credential.updated_at)
    query = select(*columns).where(or_(Credential.id.in_(ids), Credential.user_id.in_(user_ids)))
    query = query.order_by(Credential.id)
    rows = await session.execute(query.with_for_update() if lock else query)
    marks = await read_marks(session, kind=kind, source_ids=map(str, ids))
    return RowsHere(marks=marks, rows=[RowHere(**row) for row in rows.mappings()])


async def read_ai_settings(
    session: AsyncSession, *, kind: str, ids: Sequence[UUID], user_ids: Sequence[str], lock: bool
) -> RowsHere:
    """Give the AI settings that have one of the ids or belong to one of the users."""
    columns = (AiSettings.id, AiSettings.user_id, AiSettings.updated_at)
    query = select(*columns).where(or_(AiSettings.id.in_(ids), AiSettings.user_id.in_(user_ids)))
    query = query.order_by(AiSettings.id)
    rows = await session.execute(query.with_for_update() if lock else query)
    marks = await read_marks(session, kind=kind, source_ids=map(str, ids))
    return RowsHere(marks=marks, rows=[RowHere(**row) for row in rows.mappings()])


async def read_prompt(session: AsyncSession, *, kind: str, prompt_id: int, lock: bool) -> PromptHere:
    """Give when the system prompt was set, if there is one."""
    query = select(SystemPrompt.updated_at).where(SystemPrompt.id == prompt_id)
    updated_at = await session.scalar(query.with_for_update() if lock else query)
    marks = await read_marks(session, kind=kind, source_ids=[str(prompt_id)])
    return PromptHere(version=marks.get(str(prompt_id)), updated_at=updated_at)


async def store_conversations(session: AsyncSession, *, kind: str, rows: NewRows) -> dict[object, str]:
    """Store conversations, their messages and their marks; gives why for each id, of either, that is left out."""
    refused = await store_rows(session, table=Conversation, kind=kind, rows=rows)
    refused |= {
        row["id"]: refused[row["conversation_id"]] for row in rows.messages if row["conversation_id"] in refused
    }
    kept = [row for row in rows.messages if row["id"] not in refused]
    return refused | await _store(session, insert(Message), kept)


async def store_rows(session: AsyncSession, *, table: type[Base], kind: str, rows: NewRows) -> dict[object, str]:
    """Store rows of one table and their marks, without messages; gives why for each id that is left out."""
    refused = await _store(session, insert(table), rows.new)
    refused |= await _store(session, update(table), rows.changed)
    await _set_marks(session, kind, rows.marks, refused)
    return refused


async def _set_marks(session: AsyncSession, kind: str, marks: Sequence[Mark], refused: Mapping[object, str]) -> None:
    held = [mark for mark in marks if mark.row_id not in refused]
    if held:
        new = upsert(session, ImportMark)
        same = [ImportMark.kind, ImportMark.source_id]
        newer = new.on_conflict_do_update(index_elements=same, set_={"version": new.excluded.version})
        rows = [{"kind": kind, "source_id": mark.source_id, "version": mark.version} for mark in held]
        await session.execute(newer, rows)


async def _store(session: AsyncSession, statement: Insert | Update, rows: Sequence[Row]) -> dict[object, str]:
    """Store rows together; when the database refuses, halve them until those are found that it does not take."""
    if not rows:
        return {}
    try:
        async with session.begin_nested():
            await session.execute(statement, list(rows), execution_options={"render_nulls": True})
    except (*failures(), UnicodeEncodeError) as failure:
        reason = _reason(failure)
    else:
        return {}
    if len(rows) == 1:
        return {rows[0]["id"]: reason}
    middle = len(rows) // 2
    return await _store(session, statement, rows[:middle]) | await _store(session, statement, rows[middle:])


def _reason(failure: Exception) -> str:
    """Say why these rows are not stored; raises `StorageUnavailable` where it is not because of them."""
    if isinstance(failure, IntegrityError):
        return OVERTAKEN
    error = as_gateway_error(failure)
    if isinstance(error, InvalidInput):
        return UNSTORABLE
    raise error from None
