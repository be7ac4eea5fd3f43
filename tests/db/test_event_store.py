import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update

from app.db import event_store
from app.db.conversations import delete_conversation
from app.db.event_store import EventStore
from app.db.models import Run
from app.db.run_events import NewEvents
from app.db.runs import lock_conversation
from app.db.session import Database, Session
from app.db.sqlite_events import BRIEF_S
from app.errors import StorageUnavailable
from tests.databases import sqlite_threads_ended
from tests.db.events import entry, new, seqs, stored
from tests.db.rows import begin, finish, new_conversation


@pytest.fixture
async def store(database: Database) -> AsyncIterator[EventStore]:
    opened = EventStore(database)
    yield opened
    await opened.close()


async def refused(store: EventStore, *events: NewEvents) -> frozenset[UUID]:
    return (await store.append(events)).refused


async def test_the_events_of_many_runs_are_one_transaction(database: Database, store: EventStore) -> None:
    runs = [(await begin(database, await new_conversation(database))).run_id for _ in range(3)]

    assert await refused(store, *(new(run_id, 1, 2) for run_id in runs)) == frozenset()
    assert await refused(store, new(runs[1], 3)) == frozenset()

    assert [await seqs(database, run_id) for run_id in runs] == [[1, 2], [1, 2, 3], [1, 2]]


async def test_a_try_whose_outcome_is_unknown_can_be_repeated(database: Database, store: EventStore) -> None:
    run_id = (await begin(database, await new_conversation(database))).run_id
    await store.append([new(run_id, 1, 2, content="first")])

    assert await refused(store, new(run_id, 1, 2, 3, content="second")) == frozenset()

    assert [one.data for one in await stored(database, run_id)] == [
        entry(1, "first").data,
        entry(2, "first").data,
        entry(3, "second").data,
    ]


async def test_only_who_has_a_run_in_hand_may_write_its_events(database: Database, store: EventStore) -> None:
    mine, ended, moved, gone = [await begin(database, await new_conversation(database)) for _ in range(4)]
    await finish(database, ended.run_id, events=(entry(1, kind="run.completed"),))
    async with database.write() as session:
        await session.execute(update(Run).where(Run.id == moved.run_id).values(epoch=2))
        await delete_conversation(session, user_id="ann", conversation_id=gone.conversation_id)
    unknown = uuid4()

    taken_by_none = await refused(
        store,
        new(mine.run_id, 1),
        new(ended.run_id, 2),
        new(moved.run_id, 1),
        new(gone.run_id, 1),
        new(unknown, 1),
    )

    assert taken_by_none == {ended.run_id, moved.run_id, gone.run_id, unknown}
    assert await seqs(database, mine.run_id) == [1]
    assert await seqs(database, ended.run_id) == [1]
    assert await seqs(database, moved.run_id) == []
    assert await refused(store, new(moved.run_id, 1, epoch=2)) == frozenset()


async def test_a_run_that_waits_takes_no_events(database: Database, store: EventStore) -> None:
    running = await begin(database, await new_conversation(database))
    waiting = await begin(database, running.conversation_id, queue=True)

    assert await refused(store, new(running.run_id, 1), new(waiting.run_id, 2)) == {waiting.run_id}


async def test_events_and_the_end_of_their_run_never_cross(database: Database, store: EventStore) -> None:
    for _ in range(10):
        run_id = (await begin(database, await new_conversation(database))).run_id
        await store.append([new(run_id, 1)])

        late, won = await asyncio.gather(
            refused(store, new(run_id, 2)), finish(database, run_id, events=(entry(1), entry(3, kind="run.completed")))
        )

        assert won
        assert await seqs(database, run_id) == ([1, 3] if late or not database.shared else [1, 2, 3])


async def test_a_database_that_does_not_answer_is_away_and_comes_back(
    database: Database, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await begin(database, await new_conversation(database))
    await store.append([new(begun.run_id, 1)])
    monkeypatch.setattr(event_store, "TURN_SECONDS", 0.1)
    monkeypatch.setattr(event_store, "APPEND_SECONDS", 0.3)

    async with database.write() as session:
        await lock_conversation(session, user_id="ann", conversation_id=begun.conversation_id)
        await session.execute(update(Run).where(Run.id == begun.run_id).values(model="other"))
        with pytest.raises(StorageUnavailable):
            await store.append([new(begun.run_id, 2)])

    monkeypatch.undo()
    assert await refused(store, new(begun.run_id, 2)) == frozenset()
    assert await seqs(database, begun.run_id) == [1, 2]


async def test_a_cancelled_append_leaves_nothing_behind(database: Database, store: EventStore) -> None:
    begun = await begin(database, await new_conversation(database))
    async with database.write() as session:
        await session.execute(update(Run).where(Run.id == begun.run_id).values(model="other"))
        appending = asyncio.create_task(store.append([new(begun.run_id, 1)]))
        await asyncio.wait({appending}, timeout=0.1)
        appending.cancel()
        await asyncio.wait({appending})

    assert appending.cancelled()
    assert await seqs(database, begun.run_id) == []
    assert await refused(store, new(begun.run_id, 1)) == frozenset()


async def test_events_give_up_soon_where_jobs_wait_and_both_go_on(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    store = EventStore(database)
    begun = await begin(database, await new_conversation(database))
    await store.append([new(begun.run_id, 1)])

    async def job(session: Session) -> str | None:
        return await session.scalar(select(Run.status))

    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable):
            await store.append([new(begun.run_id, 2)])
        waiting = asyncio.create_task(database.do(job))
        done, _ = await asyncio.wait({waiting}, timeout=2 * BRIEF_S)
        assert not done

    assert await waiting == "running"
    assert await refused(store, new(begun.run_id, 2)) == frozenset()
    assert await seqs(database, begun.run_id) == [1, 2]
    await store.close()
    await database.close()
    await sqlite_threads_ended()


async def test_a_connection_that_was_cut_is_replaced(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    store = EventStore(database)
    run_id = (await begin(database, await new_conversation(database))).run_id
    await store.append([new(run_id, 1)])
    async with database.write() as session:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        await session.execute(text(f"{others} AND pid <> pg_backend_pid()"))

    with pytest.raises(StorageUnavailable):
        await store.append([new(run_id, 2)])
    assert await refused(store, new(run_id, 2)) == frozenset()
    await store.close()

    assert await seqs(database, run_id) == [1, 2]
    await database.close()
