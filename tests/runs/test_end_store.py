"""How the end of a run comes into the database, and what readers are told where it does not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import orjson
import pytest

from app.db.conversations import delete_conversation
from app.db.session import Database, Session
from app.entry import Entry
from app.errors import Cancelled, StorageUnavailable
from app.events import MessageDelta, RunStatus
from app.runs.clock import Clock
from app.runs.end_store import EndStore
from app.runs.ending import Ending
from app.runs.journal import Journal
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.outcome import Outcome
from app.runs.recovery import interrupt
from tests.db.events import stored
from tests.db.rows import Begun, begin, later, messages, new_conversation, run_row
from tests.runs.desk import without_runs
from tests.runs.following import follow

LIMITS = RunLimits(store_pauses_s=(0.0,), late_store_pauses_s=(0.01,) * 300, backlog_s=0.05)


class SilentLog:
    """Leaves what is pending where it is."""

    def mark(self, journal: Journal) -> None:
        pass


@dataclass
class House:
    database: Database
    begun: Begun
    run: LiveRun
    store: EndStore

    @property
    def journal(self) -> Journal:
        return self.run.journal

    def ending(self, status: RunStatus = RunStatus.COMPLETED) -> Ending:
        error = Cancelled() if status is RunStatus.CANCELLED else None
        return Ending(run=self.run, request_id="r", outcome=Outcome(status, error), content="Rome.")

    def show(self, *, saved: bool) -> None:
        """Make one event visible."""
        self.journal.append(MessageDelta(message_id="m", content="Rome."))
        self.journal.publish(self.journal.take(), saved=saved)

    async def read(self) -> list[Entry]:
        async with asyncio.timeout(10):
            return [entry async for batch in follow(self.journal) for entry in batch]

    async def status(self) -> str:
        return (await run_row(self.database, self.begun)).status


@pytest.fixture
async def house(database: Database) -> House:
    begun = await begin(database, await new_conversation(database))
    run = LiveRun(
        run_id=begun.run_id,
        user_id="ann",
        conversation_id=begun.conversation_id,
        user_message_id=begun.user_message_id,
        message_id=begun.message_id,
        provider="groq",
        model="compound",
        log=SilentLog(),
    )
    return House(database, begun, run, EndStore(database, LIMITS, Clock(now=lambda: later(5))))


def data(entry: Entry) -> dict[str, object]:
    return orjson.loads(entry.data)


async def test_the_end_is_stored_and_then_told(house: House) -> None:
    house.show(saved=True)
    await house.store.end(house.ending())

    told = await house.read()
    assert [entry.type for entry in told] == ["message.delta", "run.completed"]
    assert await stored(house.database, house.begun.run_id) == tuple(told), "also what only the journal had"
    run = await run_row(house.database, house.begun)
    assert (run.status, run.last_seq, run.finished_at) == ("completed", 2, later(5))
    assert (await messages(house.database, house.begun.conversation_id))[-1].content == "Rome."


async def test_the_end_waits_for_the_events_before_it(house: House) -> None:
    house.store = replace(house.store, limits=replace(LIMITS, backlog_s=10.0))
    house.show(saved=False)
    storing = asyncio.create_task(house.store.end(house.ending()))
    await asyncio.wait({storing}, timeout=0.05)
    assert await house.status() == "running"
    house.journal.mark_saved(1)
    await storing

    assert await house.status() == "completed"


async def test_what_somebody_else_has_stored_is_what_is_told(house: House) -> None:
    run = await run_row(house.database, house.begun)
    assert await interrupt(house.database, run, clock=Clock())
    await house.store.end(house.ending())

    (told,) = await house.read()
    assert (told.type, told.seq) == ("run.interrupted", 1)
    assert await stored(house.database, house.begun.run_id) == (told,)


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.CANCELLED])
async def test_the_readers_of_a_run_that_is_gone_are_told_that_it_was_stopped(house: House, status: RunStatus) -> None:
    async with house.database.write() as session:
        await delete_conversation(session, user_id="ann", conversation_id=house.begun.conversation_id)
    await house.store.end(house.ending(status))

    assert [entry.type for entry in await house.read()] == ["run.cancelled"]


async def test_a_refused_journal_is_overtaken(house: House) -> None:
    house.journal.append(MessageDelta(message_id="m", content="never shown"))
    run = await run_row(house.database, house.begun)
    assert await interrupt(house.database, run, clock=Clock())
    house.journal.refuse()
    await house.store.end(house.ending())

    assert [entry.type for entry in await house.read()] == ["run.interrupted"]


async def test_while_storage_is_away_the_reader_is_told_and_the_end_stored_later(
    house: House, database_url: str
) -> None:
    house.show(saved=True)
    async with without_runs(database_url):
        storing = asyncio.create_task(house.store.end(house.ending()))
        told = await house.read()
        assert not storing.done()
    await storing

    last = data(told[-1])
    assert (told[-1].seq, last["type"], last["error_category"]) == (2, "run.failed", "storage_unavailable")
    assert last["durable"] is False
    assert str(last["error"]).startswith("Rome.\n\n⚠ ")
    assert await stored(house.database, house.begun.run_id) == tuple(told), "what was told is what is stored"
    assert await house.status() == "failed"


async def test_the_late_end_waits_for_what_the_spill_file_has(house: House) -> None:
    house.show(saved=False)
    storing = asyncio.create_task(house.store.end(house.ending()))
    told = await house.read()
    assert (told[-1].type, data(told[-1])["durable"]) == ("run.failed", False)
    await asyncio.wait({storing}, timeout=0.05)
    assert await house.status() == "running", "the database has not what stands before it"
    house.journal.mark_saved(1)
    await storing

    assert await house.status() == "failed"
    assert await stored(house.database, house.begun.run_id) == tuple(told)


async def test_what_never_comes_is_given_up(house: House) -> None:
    house.store = replace(house.store, limits=replace(LIMITS, late_store_pauses_s=(0.02,)))
    house.show(saved=False)
    async with asyncio.timeout(10):
        await house.store.end(house.ending())

    assert await house.status() == "running", "for the house-keeping, or for the next start"
    assert [entry.type for entry in await house.read()] == ["message.delta", "run.failed"]


async def test_where_not_even_the_file_took_the_events_readers_are_sent_to_where_they_will_be(house: House) -> None:
    house.journal.append(MessageDelta(message_id="m", content="Rome."))
    taken = house.journal.take()
    storing = asyncio.create_task(house.store.end(house.ending()))
    assert await house.read() == []
    assert isinstance(house.journal.left_with, StorageUnavailable)
    house.journal.publish(taken)
    await storing

    assert await house.status() == "failed"
    *before, last = await stored(house.database, house.begun.run_id)
    assert before == taken
    assert (last.seq, last.type) == (2, "run.failed")


async def test_a_lost_answer_to_the_commit_makes_no_second_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try is stored, but the database fails to say so."""
    tries = 0
    do = Database.do

    async def failing(database: Database, work: Callable[[Session], Awaitable[bool]]) -> bool:
        nonlocal tries
        done = await do(database, work)
        tries += 1
        if tries == 1:
            raise StorageUnavailable
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Database, "do", failing)
        await house.store.end(house.ending())

    (told,) = await house.read()
    assert tries == 2
    assert (told.type, "durable" in data(told)) == ("run.completed", False)
    assert await stored(house.database, house.begun.run_id) == (told,)
