"""A message that waits for the answers before it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from app.db.conversations import delete_conversation
from app.db.session import Database
from app.errors import NotFound
from app.events import RunStatus
from app.runs import turn
from app.runs.live import LiveRun
from app.runs.replica import run_topic
from app.runs.turn import conversation_topic, take_turn
from app.wakeups import Wakeups
from tests.db.rows import Begun, begin, finish, new_conversation, run_row
from tests.runs.desk import without_runs


@dataclass
class Queue:
    database: Database
    wakeups: Wakeups
    first: Begun
    waiting: Begun

    def live(self) -> LiveRun:
        return LiveRun(
            run_id=self.waiting.run_id,
            user_id="ann",
            conversation_id=self.waiting.conversation_id,
            user_message_id=self.waiting.user_message_id,
            message_id=self.waiting.message_id,
            provider="groq",
            model="compound",
        )

    async def take(self) -> None:
        async with asyncio.timeout(10):
            await take_turn(self.database, self.wakeups, self.live(), owner="me")


@pytest.fixture
async def queue(database: Database) -> AsyncIterator[Queue]:
    async with Wakeups() as wakeups:
        first = await begin(database, await new_conversation(database))
        yield Queue(database, wakeups, first, await begin(database, first.conversation_id, queue=True, owner="me"))


async def test_its_turn_comes_with_the_end_before_it(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "POLL_S", 60.0)
    with queue.wakeups.watch(run_topic(queue.waiting.run_id)) as watch:
        taking = asyncio.create_task(queue.take())
        await asyncio.wait({taking}, timeout=0.1)
        assert not taking.done()
        await finish(queue.database, queue.first.run_id)
        queue.wakeups.tell(conversation_topic(queue.live()))

        await taking
        assert await watch.wait(0), "whoever reads it is told"
    run = await run_row(queue.database, queue.waiting)
    assert (run.status, run.epoch, run.owner) == ("running", 1, "me")


async def test_it_looks_by_itself_where_nobody_tells(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "POLL_S", 0.01)
    taking = asyncio.create_task(queue.take())
    await finish(queue.database, queue.first.run_id)

    await taking


async def test_who_does_not_wait_any_more_is_told(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "POLL_S", 0.01)
    taking = asyncio.create_task(queue.take())
    await finish(queue.database, queue.waiting.run_id, status=RunStatus.CANCELLED)

    with pytest.raises(NotFound):
        await taking


async def test_a_conversation_that_is_gone_ends_the_wait(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "POLL_S", 0.01)
    taking = asyncio.create_task(queue.take())
    async with queue.database.write() as session:
        await delete_conversation(session, user_id="ann", conversation_id=queue.first.conversation_id)

    with pytest.raises(NotFound):
        await taking


async def test_a_database_that_is_away_does_not_cost_the_turn(
    queue: Queue, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "POLL_S", 0.01)
    await finish(queue.database, queue.first.run_id)
    async with without_runs(database_url):
        taking = asyncio.create_task(queue.take())
        await asyncio.wait({taking}, timeout=0.1)
        assert not taking.done()

    await taking
