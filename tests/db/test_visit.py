"""Jobs: whole transactions, which on SQLite are one visit to a thread."""

import asyncio
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db.conversations import create_conversation, get_conversation, list_conversations
from app.db.session import Database, Session
from app.errors import NotFound, StorageUnavailable
from tests.db.rows import NOON, new_conversation

ID = UUID(int=7)


async def test_a_job_gives_what_it_gives_and_is_kept(database: Database) -> None:
    async def job(session: Session) -> str:
        row = await create_conversation(session, user_id="ann", conversation_id=ID, title="Porto", now=NOON)
        return row.title

    assert await database.do(job) == "Porto"
    async with database.read() as session:
        assert (await get_conversation(session, user_id="ann", conversation_id=ID)).title == "Porto"


async def test_what_a_job_raises_undoes_everything(database: Database) -> None:
    async def job(session: Session) -> None:
        await create_conversation(session, user_id="ann", conversation_id=ID, title="Porto", now=NOON)
        raise NotFound

    for _ in range(3):
        with pytest.raises(NotFound):
            await database.do(job)
    async with database.read() as session:
        with pytest.raises(NotFound):
            await get_conversation(session, user_id="ann", conversation_id=ID)


async def test_jobs_and_other_writers_take_turns(database: Database) -> None:
    async def job(session: Session) -> None:
        await session.execute(text("UPDATE conversations SET next_seq = next_seq + 1"))

    conversation_id = await new_conversation(database)

    async def write() -> None:
        async with database.write() as session:
            await job(session)

    await asyncio.gather(*(database.do(job) if number % 2 else write() for number in range(100)))

    async with database.read() as session:
        assert (await get_conversation(session, user_id="ann", conversation_id=conversation_id)).next_seq == 101


async def test_a_job_whose_caller_leaves_is_done_or_not_begun(database: Database) -> None:
    async def job(session: Session) -> None:
        await session.execute(text("UPDATE conversations SET next_seq = next_seq + 1"))
        done.append(1)

    done: list[int] = []
    conversation_id = await new_conversation(database)
    for turns in range(40):
        task = asyncio.create_task(database.do(job))
        for _ in range(turns % 8):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    async with database.read() as session:
        kept = (await get_conversation(session, user_id="ann", conversation_id=conversation_id)).next_seq - 1
    assert kept <= len(done) <= 40
    await database.do(job)


async def test_jobs_that_wait_together_are_kept_or_undone_each_by_itself(database: Database) -> None:
    ids = [UUID(int=number) for number in range(40)]

    async def job(session: Session, *, one: UUID) -> None:
        await create_conversation(session, user_id="ann", conversation_id=one, title="Porto", now=NOON)
        await session.flush()
        if one.int % 3 == 1:
            raise NotFound
        if one.int % 3 == 2:
            await create_conversation(session, user_id="ann", conversation_id=one, title="twice", now=NOON)

    told = await asyncio.gather(*(database.do(partial(job, one=one)) for one in ids), return_exceptions=True)
    async with database.read() as session:
        kept = {row.id for row in await list_conversations(session, user_id="ann")}

    assert [type(one) for one in told] == ([type(None), NotFound, StorageUnavailable] * 14)[:40]
    assert kept == {one for one in ids if one.int % 3 == 0}


async def test_a_transaction_that_the_database_gives_up_keeps_none_of_its_jobs(sqlite_url: str) -> None:
    """Those that are done already must hear of it, and none may go on in a transaction of its own."""
    database = Database.open(sqlite_url)

    async def job(session: Session, *, one: UUID) -> None:
        await create_conversation(session, user_id="ann", conversation_id=one, title="Porto", now=NOON)
        await session.flush()
        if one.int == 5:
            await session.execute(text("INSERT OR ROLLBACK INTO conversations SELECT * FROM conversations"))

    async with database.turn():
        asked = [asyncio.create_task(database.do(partial(job, one=UUID(int=one)))) for one in range(10)]
        await asyncio.sleep(0)
    told = await asyncio.gather(*asked, return_exceptions=True)
    async with database.read() as session:
        kept = await list_conversations(session, user_id="ann")
    await database.close()

    assert {type(one) for one in told} == {StorageUnavailable}
    assert list(kept) == []


async def test_a_job_that_does_not_get_its_turn_in_time_has_not_begun(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    begun: list[int] = []

    async def job(_session: Session) -> None:
        begun.append(1)

    async with database.turn():
        with pytest.raises(StorageUnavailable):
            await database.do(job, seconds=0.01)
        late = asyncio.create_task(database.do(job))
        await asyncio.sleep(0)
    await late
    await database.close()

    assert begun == [1]
