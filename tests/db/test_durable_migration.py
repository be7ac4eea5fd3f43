"""The tables of the durable runs come and go under data, and under a process of the version before."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy.exc import DBAPIError

from app.db.messages import list_messages
from app.db.migrate import migration_config, upgrade
from app.db.revision import current_revision_is_head
from app.db.run_events import add_event
from app.db.runs import active_run, get_run
from app.db.session import Database
from app.errors import StorageUnavailable
from app.runs.clock import Clock
from app.runs.hub import RunHub
from app.runs.replica import OWNERLESS, Replica
from app.wakeups import Wakeups
from tests.databases import sqlite_threads_ended
from tests.db import version_before
from tests.db.events import entry
from tests.db.rows import NOON, begin, finish, messages, new_conversation
from tests.db.version_before import Writer
from tests.runs.desk import until

BEFORE = "0002"
TRIES = 10


async def down(url: str) -> None:
    await asyncio.to_thread(command.downgrade, migration_config(url), BEFORE)


async def up(url: str) -> None:
    await asyncio.to_thread(upgrade, url)


async def contents(database: Database, conversation_id: UUID) -> list[tuple[int, str, str, str]]:
    """Give what both versions know of the messages."""
    statement = "SELECT seq, role, status, content FROM messages WHERE conversation_id = :conversation_id ORDER BY seq"
    async with database.read() as session:
        rows = await session.execute(version_before.bound(statement, conversation_id=conversation_id))
        return [(row.seq, row.role, row.status, row.content) for row in rows]


async def test_what_the_version_before_has_written_is_there_after_the_way_up(
    database_url: str, database: Database
) -> None:
    conversation_id = await new_conversation(database)
    await down(database_url)
    await version_before.finish(database, await version_before.begin(database, conversation_id, "Porto?"), "Yes.")
    running = await version_before.begin(database, conversation_id, "Faro?")
    before = await contents(database, conversation_id)

    await up(database_url)

    assert await contents(database, conversation_id) == before
    assert [message.parent_seq for message in await messages(database, conversation_id)] == [None] * 4
    async with database.read() as session:
        run = await get_run(session, user_id="ann", run_id=running)
        active = await active_run(session, user_id="ann", conversation_id=conversation_id)
        assert await current_revision_is_head(session)
    assert (run.status, run.epoch, run.owner, run.cancel_requested, run.last_seq) == ("running", 1, None, False, None)
    assert active is not None
    assert active.id == running
    assert await finish(database, running, content="Too.", events=(entry(1, kind="run.completed"),))
    assert await begin(database, conversation_id)


async def test_nothing_is_lost_on_the_way_down_and_up_again(database_url: str, database: Database) -> None:
    conversation_id, other = await new_conversation(database), await new_conversation(database)
    ended = await begin(database, conversation_id, text="Porto?")
    async with database.write() as session:
        await add_event(session, ended.run_id, entry(1))
    await finish(database, ended.run_id, content="Yes.", events=(entry(2, kind="run.completed"),))
    again = await begin(database, conversation_id, text=None, parent_seq=1)  # pyright: ignore[reportArgumentType] - another answer has none
    await finish(database, again.run_id, content="No.")
    running = await begin(database, other, text="Faro?", owner="me")
    waiting = await begin(database, other, text="And?", owner="me", queue=True)

    await down(database_url)

    kept = await contents(database, conversation_id)
    assert kept == [
        (1, "user", "complete", "Porto?"),
        (2, "assistant", "completed", "Yes."),
        (3, "assistant", "completed", "No."),
    ]
    statuses = [status for _, _, status, _ in await contents(database, other)]
    assert statuses == ["complete", "running", "complete", "interrupted"], "the version before knows nobody who waits"
    await version_before.finish(database, running.run_id, "Too.")
    await version_before.finish(database, await version_before.begin(database, other, "More?"), "More.")

    await up(database_url)

    async with database.read() as session:
        shown = await list_messages(session, user_id="ann", conversation_id=conversation_id)
        run = await get_run(session, user_id="ann", run_id=waiting.run_id)
    assert [(message.content, message.parent_seq) for message in shown] == [
        ("Porto?", None),
        ("Yes.", None),
        ("No.", None),
    ]
    assert run.status == "interrupted"
    assert [status for _, _, status, _ in await contents(database, other)] == [
        *("complete", "completed", "complete", "interrupted"),
        *("complete", "completed"),
    ]
    assert await begin(database, other)


@pytest.mark.parametrize("rounds", [2])
async def test_a_process_of_the_version_before_writes_through_it_all(
    database_url: str, database: Database, rounds: int
) -> None:
    await write_through(database_url, database, rounds)


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [40])
async def test_a_process_of_the_version_before_writes_through_it_many_times(
    database_url: str, database: Database, rounds: int
) -> None:
    await write_through(database_url, database, rounds)


async def write_through(database_url: str, database: Database, rounds: int) -> None:
    """Migrate up and down under load: no write fails, none is lost."""
    await down(database_url)
    writers = [Writer(database, await new_conversation(database)) for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.write())
            group.create_task(writer.read())
        for _ in range(rounds):
            await patiently(up, database_url, writers)
            await patiently(down, database_url, writers)
        await patiently(up, database_url, writers)
        for writer in writers:
            writer.stopping.set()

    for writer in writers:
        stored = await messages(database, writer.conversation_id)
        assert [message.content for message in stored] == writer.said
        assert {message.status for message in stored} == {"complete", "completed"}


async def patiently(step: Callable[[str], Awaitable[None]], url: str, writers: Sequence[Writer]) -> None:
    """Take a step while all write, again where it did not get its tables in time, as an operator would."""
    said = [len(writer.said) for writer in writers]
    await until(lambda: all(len(writer.said) > before for writer, before in zip(writers, said, strict=True)))
    for _ in range(TRIES):
        try:
            await step(url)
        except (StorageUnavailable, DBAPIError) as late:
            assert "lock timeout" in str(late)  # noqa: PT017 - not failing is as good
        else:
            return
    pytest.fail(f"no table to be had in {TRIES} tries")


async def test_a_run_of_the_version_before_is_its_own_while_its_deadlines_last(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    conversation_id = await new_conversation(database)
    await down(postgres_url)
    run_id = await version_before.begin(database, conversation_id, "Porto?")
    await up(postgres_url)

    assert await status_beside_a_new_process(database, run_id, OWNERLESS) == "running"
    await version_before.finish(database, run_id, "Yes.")
    late = await version_before.begin(database, conversation_id, "Faro?")
    assert await status_beside_a_new_process(database, late, OWNERLESS + timedelta(microseconds=1)) == "interrupted"
    await database.close()


@pytest.mark.parametrize("hours", [-5, 0, 5])
async def test_where_only_one_process_can_be_a_run_of_the_version_before_is_over(sqlite_url: str, hours: int) -> None:
    """Whatever the clock says by now."""
    database = Database.open(sqlite_url)
    conversation_id = await new_conversation(database)
    await down(sqlite_url)
    run_id = await version_before.begin(database, conversation_id, "Porto?")
    await up(sqlite_url)

    assert await status_beside_a_new_process(database, run_id, timedelta(hours=hours)) == "interrupted"
    await database.close()
    await sqlite_threads_ended()


async def status_beside_a_new_process(database: Database, run_id: UUID, age: timedelta) -> str:
    """Open a process of this version when the run has this age, and give what it makes of it."""
    async with Wakeups() as wakeups:
        replica = Replica(database, RunHub(), wakeups, clock=Clock(now=lambda: NOON + age))
        await replica.open()
        await replica.close()
    async with database.read() as session:
        return (await get_run(session, user_id="ann", run_id=run_id)).status
