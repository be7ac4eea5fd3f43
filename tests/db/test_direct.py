"""Statements that go to SQLite without the library give what the library gives."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Executable, bindparam, insert, select, update

from app.db import ai_settings, branch, credentials, messages, prompts, run_events, runs
from app.db.direct import direct, is_direct
from app.db.models import Message, Run
from app.db.session import Database, Session
from app.errors import StorageUnavailable
from tests.db.rows import NOON, begin, later, new_conversation

MODULES = (ai_settings, branch, credentials, messages, prompts, run_events, runs)
SOME_MESSAGE = direct(select(Message).where(Message.id == bindparam("p_id")))
SOME_COLUMNS = direct(
    select(Message.id, Message.created_at, Message.usage.label("counted"), Message.error, Message.parent_seq).where(
        Message.id == bindparam("p_id")
    )
)
NEW = direct(insert(Message.__table__))  # pyright: ignore[reportArgumentType]  # typed as any clause
USED = direct(
    update(Message)
    .where(Message.id == bindparam("p_id"))
    .values(usage=bindparam("p_usage"), created_at=bindparam("p_now"))
    .returning(Message.run_id)
    .execution_options(synchronize_session=False)
)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """On PostgreSQL the mark means nothing."""
    return sqlite_url


def _row(conversation_id: UUID) -> dict[str, Any]:
    texts = {"role": "assistant", "content": "São Paulo \U0001f6eb", "status": "complete"}
    values = {"usage": {"input": 3, "of": ["ü", None]}, "error": None, "created_at": NOON, "run_id": uuid4()}
    return {"id": uuid4(), "conversation_id": conversation_id, "seq": 40} | texts | values


def _columns(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in Message.__table__.c.keys()}  # noqa: SIM118 - no mapping


async def test_rows_are_written_and_read_as_the_library_writes_and_reads_them(database: Database) -> None:
    row = _row(await new_conversation(database))

    async def job(session: Session) -> tuple[Message, Any, UUID | None, int]:
        await session.execute(NEW, [row])
        changed = await session.scalar(USED, {"p_id": row["id"], "p_usage": {"input": 4}, "p_now": later(1)})
        entity = (await session.scalars(SOME_MESSAGE, {"p_id": row["id"]})).all()
        columns = (await session.execute(SOME_COLUMNS, {"p_id": row["id"]})).all()
        return entity[0], columns[0], changed, len(entity)

    entity, columns, changed, count = await database.do(job)
    async with database.read() as session:
        theirs = await session.scalar(SOME_MESSAGE, {"p_id": row["id"]})
        their_columns = (await session.execute(SOME_COLUMNS, {"p_id": row["id"]})).one()
    assert theirs is not None
    assert _columns(entity) == _columns(theirs)
    assert tuple(columns) == tuple(their_columns)
    assert columns.counted == {"input": 4}
    assert (changed, count) == (row["run_id"], 1)
    assert theirs.created_at == later(1)


async def test_a_row_that_is_not_there_is_none(database: Database) -> None:
    async def job(session: Session) -> tuple[Any, Any]:
        missing = {"p_id": uuid4()}
        return await session.scalar(SOME_MESSAGE, missing), (await session.execute(SOME_COLUMNS, missing)).all()

    assert await database.do(job) == (None, [])


async def test_what_the_library_does_in_the_same_job_is_one_transaction_with_it(database: Database) -> None:
    conversation_id = await new_conversation(database)
    row = _row(conversation_id)

    async def job(session: Session, *, fail: bool) -> str | None:
        await session.execute(NEW, row)
        seen = await session.scalar(select(Message.content).where(Message.id == row["id"]))
        await session.execute(update(Message).where(Message.id == row["id"]).values(content="Porto"))
        again = await session.scalar(SOME_MESSAGE, {"p_id": row["id"]})
        if fail:
            raise StorageUnavailable
        return f"{seen}, {again.content}" if again is not None else None

    with pytest.raises(StorageUnavailable):
        await database.do(lambda session: job(session, fail=True))
    assert await database.do(lambda session: job(session, fail=False)) == f"{row['content']}, Porto"


async def test_a_broken_rule_of_the_database_undoes_its_own_job_only(database: Database) -> None:
    conversation_id = await new_conversation(database)
    rows = [_row(conversation_id) | {"seq": 40 + number} for number in range(6)]
    rows[3]["seq"] = rows[1]["seq"]

    async def job(session: Session, row: Mapping[str, Any]) -> None:
        await session.execute(NEW, row)

    tasks = [asyncio.create_task(database.do(lambda session, row=row: job(session, row))) for row in rows]
    await asyncio.wait(tasks)
    assert [type(task.exception()) for task in tasks] == [
        StorageUnavailable if number == 3 else type(None) for number in range(6)
    ]
    async with database.read() as session:
        kept = await session.scalars(select(Message.id).where(Message.conversation_id == conversation_id))
        assert set(kept) == {row["id"] for row in rows} - {rows[3]["id"]}


async def test_a_run_begins_the_same_in_a_job_and_in_a_block(database: Database) -> None:
    one, other = await new_conversation(database), await new_conversation(database)
    in_block = await begin(database, one, text="Two days in Porto")
    new = in_block.row(text="Two days in Porto")
    again = replace(new, conversation_id=other, run_id=uuid4(), message_id=uuid4(), user_message_id=uuid4())

    async def job(session: Session) -> runs.Begun:
        return await runs.begin_run(session, again, now=NOON)

    assert (await database.do(job)).message_seq == 2
    async with database.read() as session:
        stored = [await runs.get_run(session, user_id="ann", run_id=each) for each in (new.run_id, again.run_id)]
        titles = [await runs.lock_conversation(session, user_id="ann", conversation_id=each) for each in (one, other)]
    same = set(Run.__table__.c.keys()) - {"id", "conversation_id", "message_id"}
    assert [getattr(stored[0], name) for name in same] == [getattr(stored[1], name) for name in same]
    assert len({(each.title, each.next_seq, each.updated_at) for each in titles}) == 1


def test_every_statement_of_a_begin_and_an_end_is_marked() -> None:
    found = [
        name
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, Executable) and is_direct(value)
    ]
    assert len(found) >= 13, found
