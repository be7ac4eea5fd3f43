"""Who has a run in hand, and what that one alone may write."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from app.db.abandoned import abandoned_runs
from app.db.attempts import note_attempts
from app.db.conversations import delete_conversation
from app.db.models import Run
from app.db.replicas import put_beat, remove_replica
from app.db.runs import (
    is_over,
    lock_run,
    request_cancel,
    runs_in_hand,
    wishes,
)
from app.db.session import Database
from app.errors import NotFound
from tests.db.events import entry, stored
from tests.db.rows import NOON, begin, finish, later, new_conversation, run_row


async def test_the_last_event_and_its_number_are_stored_with_the_end(database: Database) -> None:
    begun = await begin(database, await new_conversation(database))
    last = entry(9, kind="run.completed")

    assert await finish(database, begun.run_id, events=(last,))
    assert not await finish(database, begun.run_id, events=(entry(10, kind="run.failed"),))

    assert await stored(database, begun.run_id) == (last,)
    assert (await run_row(database, begun)).last_seq == 9


async def test_model_calls_are_noted_by_who_has_the_run_in_hand(database: Database) -> None:
    begun = await begin(database, await new_conversation(database), attempts=[{"attempt": 1}])

    async def note(number: int, epoch: int) -> list[Any] | None:
        async with database.write() as session:
            await note_attempts(session, begun.run_id, [{"attempt": number}], epoch=epoch, by=("acme", "acme-1"))
        return (await run_row(database, begun)).attempts

    assert (await run_row(database, begun)).attempts == [{"attempt": 1}]
    assert await note(2, epoch=1) == [{"attempt": 2}]
    assert await note(3, epoch=2) == [{"attempt": 2}]
    await finish(database, begun.run_id, attempts=[{"attempt": 4}])
    assert await note(5, epoch=1) == [{"attempt": 4}]


async def test_a_wish_to_stop_reaches_the_owner_and_nobody_else(database: Database) -> None:
    begun = await begin(database, await new_conversation(database), owner="me")

    async def wanted(owner: str) -> dict[UUID, bool]:
        async with database.read() as session:
            return await wishes(session, owner=owner)

    assert await wanted("me") == {begun.run_id: False}
    for user_id, run_id in (("bob", begun.run_id), ("ann", uuid4())):
        with pytest.raises(NotFound):
            await wish(database, run_id, user_id)
    assert await wanted("me") == {begun.run_id: False}
    for _ in range(2):
        run = await wish(database, begun.run_id)
        assert (run.status, run.owner, run.cancel_requested) == ("running", "me", True)
    assert (await wanted("me"), await wanted("other")) == ({begun.run_id: True}, {})
    await finish(database, begun.run_id)
    assert await wanted("me") == {}


async def wish(database: Database, run_id: UUID, user_id: str = "ann") -> Run:
    async with database.write() as session:
        return await request_cancel(session, user_id=user_id, run_id=run_id)


async def test_a_wish_after_the_end_changes_nothing(database: Database) -> None:
    begun = await begin(database, await new_conversation(database), owner="me")
    await finish(database, begun.run_id)

    run = await wish(database, begun.run_id)

    assert (run.status, run.cancel_requested) == ("completed", False)


async def test_runs_of_dead_processes_are_found(database: Database) -> None:
    async def one(owner: str | None, minutes: int = 0, *, ended: bool = False) -> UUID:
        begun = await begin(database, await new_conversation(database), owner=owner, now=later(minutes))
        if ended:
            await finish(database, begun.run_id)
        return begun.run_id

    await beat(database, "alive")
    await beat(database, "dead")
    dead, mine, alive, _ended = [await one("dead"), await one("me"), await one("alive"), await one("dead", ended=True)]
    old, young = await one(None, minutes=-21), await one(None, minutes=-19)

    then: datetime | None = later(-20)

    async def found(*, limit: int = 10, besides: str = "me", before: datetime | None = then) -> set[UUID]:
        async with database.read() as session:
            rows = await abandoned_runs(
                session, besides=besides, ownerless_before=before, waiting_since=NOON, limit=limit
            )
        return {each.id for each in rows}

    assert await found() == {old}
    async with database.write() as session:
        await remove_replica(session, "dead")
    assert await found() == {dead, old}
    assert len(await found(limit=1)) == 1
    assert await found(besides="alive") == {dead, mine, old}
    assert alive not in await found(before=None)
    assert await found(before=None) == {dead, old, young}


async def beat(database: Database, replica_id: str) -> None:
    async with database.write() as session:
        await put_beat(session, replica_id=replica_id)


async def test_waiting_runs_of_dead_processes_are_found_too(database: Database) -> None:
    first = await begin(database, await new_conversation(database), owner="me")
    waiting = await begin(database, first.conversation_id, queue=True, owner="dead")

    async with database.read() as session:
        rows = await abandoned_runs(session, besides="me", ownerless_before=NOON, waiting_since=NOON, limit=10)
        mine = await runs_in_hand(session, owner="dead")
    assert [each.id for each in rows] == [each.id for each in mine] == [waiting.run_id]


async def test_a_run_is_locked_as_it_was_found_or_not_at_all(database: Database) -> None:
    running, ended, moved, gone = [await begin(database, await new_conversation(database)) for _ in range(4)]
    found = [await run_row(database, each) for each in (running, ended, moved, gone)]
    await finish(database, ended.run_id)
    async with database.write() as session:
        await session.execute(update(Run).where(Run.id == moved.run_id).values(epoch=2))
        await delete_conversation(session, user_id="ann", conversation_id=gone.conversation_id)

    locked: list[UUID | None] = []
    for each in found:
        async with database.write() as session:
            run = await lock_run(session, each)
            locked.append(run.id if run is not None else None)
    assert locked == [running.run_id, None, None, None]


async def test_a_run_is_over_once_it_has_ended_or_is_gone(database: Database) -> None:
    running = await begin(database, await new_conversation(database))
    waiting = await begin(database, running.conversation_id, queue=True)
    ended = await begin(database, await new_conversation(database))
    await finish(database, ended.run_id)

    async with database.read() as session:
        over = [await is_over(session, run_id) for run_id in (running.run_id, waiting.run_id, ended.run_id, uuid4())]
    assert over == [False, False, True, True]
