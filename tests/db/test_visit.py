"""Jobs: whole transactions, which on SQLite are one visit to a thread."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db.conversations import create_conversation, get_conversation
from app.db.session import Database, Session
from app.errors import NotFound
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
