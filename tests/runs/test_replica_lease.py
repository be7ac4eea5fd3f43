"""Who counts as dead, and that looking after the dead keeps nobody from saying that it lives."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.db import conversations, replicas, runs
from app.db.session import Database
from app.events import RunStatus
from app.runs.beats import Beats
from app.runs.hub import RunHub
from app.runs.replica import Replica
from app.wakeups import Wakeups

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
CONVERSATION, RUN = UUID(int=0xC0), UUID(int=0xA0)


@pytest.fixture
async def shared(postgres_url: str) -> AsyncIterator[Database]:
    opened = Database.open(postgres_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def replica_of(database: Database, lease_s: float) -> AsyncGenerator[Replica]:
    async with Wakeups() as wakeups:
        replica = Replica(database, RunHub(), wakeups, lease_s=lease_s)
        await replica.open()
        try:
            yield replica
        finally:
            await replica.close()


async def told(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return await replicas.read_beats(session)


async def beat(database: Database, replica_id: str) -> None:
    async with database.write() as session:
        await replicas.put_beat(session, replica_id=replica_id)


async def begin(database: Database, owner: str) -> None:
    async with database.write() as session:
        await conversations.create_conversation(session, user_id="ada", conversation_id=CONVERSATION, title="", now=NOW)
        new = runs.NewRun(
            user_id="ada",
            conversation_id=CONVERSATION,
            run_id=RUN,
            message_id=UUID(int=1),
            user_message_id=UUID(int=2),
            text="Where to?",
            provider="acme",
            model="acme-1",
            owner=owner,
        )
        await runs.begin_run(session, new, now=NOW)


async def status(database: Database) -> str:
    async with database.read() as session:
        return (await runs.get_run(session, user_id="ada", run_id=RUN)).status


def test_a_beat_that_stands_still_for_a_lease_is_dead() -> None:
    beats = Beats(10.0)
    looks = [beats.look({"dead": 7, "alive": at}, float(at)) for at in range(100, 116, 3)]

    assert looks == [{}, {}, {}, {}, {"dead": 7}, {"dead": 7}]


def test_of_a_time_without_looking_half_a_lease_counts() -> None:
    """A process that was paused does not take all others for dead; one that is always slow still finds the dead."""
    beats = Beats(10.0)
    looks = [beats.look(seen, at) for seen, at in (({"a": 1, "b": 1}, 0.0), ({"a": 1, "b": 1}, 3600.0))]
    looks += [beats.look({"a": 1, "b": 2}, 7200.0)]

    assert looks == [{}, {}, {"a": 1}]


def test_whoever_had_no_database_looks_anew() -> None:
    beats = Beats(10.0)
    beats.look({"a": 1}, 0.0)
    beats.look({"a": 1}, 5.0)
    beats.forget()

    assert [beats.look({"a": 1}, at) for at in (10.0, 15.0, 20.0)] == [{}, {}, {"a": 1}]


async def test_a_sign_of_life_in_the_last_moment_counts(shared: Database) -> None:
    await beat(shared, "woken")
    seen = await told(shared)
    await beat(shared, "woken")
    async with shared.write() as session:
        await replicas.remove_dead(session, seen)

    assert set(await told(shared)) == {"woken"}


async def test_a_run_that_cannot_be_ended_yet_stops_no_heart(shared: Database) -> None:
    async with replica_of(shared, 1.0) as replica:
        await beat(shared, "gone")
        await begin(shared, "gone")
        async with shared.write() as session:  # as a process does that was paused in the middle of its work
            await runs.lock_conversation(session, user_id="ada", conversation_id=CONVERSATION)
            async with shared.write() as other:
                await replicas.remove_replica(other, "gone")
            first = (await told(shared))[replica.id]
            await reached(lambda: _beaten(shared, replica.id, first + 12))
            assert await status(shared) == RunStatus.RUNNING
        await reached(lambda: _is(shared, RunStatus.INTERRUPTED))


async def reached(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what only the database tells."""
    async with asyncio.timeout(10):
        while not await look():  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.02)


async def _beaten(database: Database, replica_id: str, count: int) -> bool:
    return (await told(database))[replica_id] >= count


async def _is(database: Database, wanted: RunStatus) -> bool:
    return await status(database) == wanted


async def test_a_run_of_a_process_that_nobody_knows_is_ended_and_no_other(shared: Database) -> None:
    await beat(shared, "alive")
    await begin(shared, "alive")
    async with replica_of(shared, 1.0):
        assert await status(shared) == RunStatus.RUNNING
        async with shared.write() as session:
            await replicas.remove_replica(session, "alive")
        await reached(lambda: _is(shared, RunStatus.INTERRUPTED))


async def test_the_only_process_of_a_database_ends_at_once_what_the_last_one_left(database: Database) -> None:
    await beat(database, "killed")
    await begin(database, "killed")
    async with replica_of(database, 15.0) as replica:
        assert await status(database) == RunStatus.INTERRUPTED
        assert set(await told(database)) == {replica.id}
