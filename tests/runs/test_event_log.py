import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from app.db.run_events import NewEvents
from app.entry import Entry
from app.events import MessageDelta, RunRetrying
from app.runs import event_log
from app.runs.event_batch import TRANSACTION_EVENTS
from app.runs.event_log import EventLog
from app.runs.journal import Journal
from app.runs.spill import Spill, restore
from tests.runs.desk import until
from tests.runs.following import follow
from tests.runs.scripted_store import ScriptedStore

ONE, TWO = UUID(int=1), UUID(int=2)


def text(content: str) -> MessageDelta:
    return MessageDelta(message_id="m", content=content)


def apart(number: int) -> RunRetrying:
    """An event that is joined with no other."""
    return RunRetrying(attempt=number, delay_s=0.0, reason="rate_limited")


@dataclass
class House:
    store: ScriptedStore
    folder: Path
    log: EventLog
    told: list[UUID] = field(default_factory=list[UUID])

    def journal(self, run_id: UUID = ONE) -> Journal:
        return Journal(run_id, self.log)

    def spilled(self) -> list[bytes]:
        return [line for path in self.folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "SLOW_S", 0.05)
    monkeypatch.setattr(event_log, "PAUSE_S", 0.002)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store, told = ScriptedStore(), list[UUID]()
    log = EventLog(store, Spill(tmp_path, "test"), tell=told.append)
    log.open()
    yield House(store, tmp_path, log, told)
    await log.close(0.0)


async def first(journal: Journal, count: int) -> list[Entry]:
    """Give so many visible entries, once there are."""
    await until(lambda: journal.last_seq >= count)
    reading = follow(journal)
    entries: list[Entry] = []
    async for batch in reading:
        entries += batch
        if len(entries) >= count:
            break
    await reading.aclose()
    return entries


async def back() -> None:
    """Wait until the database has everything and events take the direct way again."""
    await until(lambda: all(task.get_name() != "event log: backlog" for task in asyncio.all_tasks()))


def durable(entries: list[Entry]) -> list[bool]:
    return [orjson.loads(entry.data).get("durable", True) for entry in entries]


async def test_an_event_is_shown_once_it_is_stored(house: House) -> None:
    journal = house.journal()
    house.store.go_on.clear()
    journal.append(text("Rome"))
    await until(lambda: house.store.tries == 1)
    assert journal.last_seq == 0
    house.store.go_on.set()

    (entry,) = await first(journal, 1)

    assert house.store.kept == [(ONE, entry)]
    assert durable([entry]) == [True]
    assert house.told == [ONE]


async def test_what_comes_meanwhile_is_one_transaction_of_all_runs(house: House) -> None:
    one, two = house.journal(ONE), house.journal(TWO)
    house.store.go_on.clear()
    one.append(text("first"))
    await until(lambda: house.store.tries == 1)
    for _ in range(50):
        one.append(text("a"))
        two.append(text("b"))
    house.store.go_on.set()
    await asyncio.gather(one.saved(), two.saved())

    assert [len(events) for events in house.store.transactions] == [1, 2]
    assert (house.store.text(ONE), house.store.text(TWO)) == ("first" + "a" * 50, "b" * 50)
    assert (house.store.seqs(ONE), house.store.seqs(TWO)) == ([1, 2], [1])


async def test_where_many_runs_write_all_but_first_texts_wait_a_little(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "BREATH_S", 60.0)
    busy = [house.journal(UUID(int=number)) for number in range(10, 10 + event_log.BUSY_RUNS)]
    for number in range(event_log.EARLY_EVENTS + 1):
        for journal in busy:
            journal.append(apart(number))
        await asyncio.gather(*(journal.saved() for journal in busy))
    for journal in busy:
        journal.append(apart(99))
    tries = house.store.tries
    await asyncio.sleep(0)
    assert house.store.tries == tries, "the others wait for a breath"

    new = house.journal(ONE)
    new.append(text("Rome"))
    await asyncio.wait_for(asyncio.gather(new.saved(), *(journal.saved() for journal in busy)), 5)

    assert house.store.tries == tries + 1


async def test_others_let_a_first_text_go_first_until_it_is_out(house: House) -> None:
    house.store.go_on.clear()
    journal = house.journal()
    journal.append(text("Rome"))
    assert house.log.first_words.expected
    house.store.go_on.set()
    await journal.saved()
    assert not house.log.first_words.expected

    for number in range(event_log.EARLY_EVENTS):
        journal.append(apart(number))
        await journal.saved()
    house.store.go_on.clear()
    journal.append(text("a later one"))
    assert not house.log.first_words.expected


async def test_many_events_are_several_transactions_in_order(house: House) -> None:
    journal = house.journal()
    house.store.go_on.clear()
    journal.append(apart(0))
    await until(lambda: house.store.tries == 1)
    for number in range(1, TRANSACTION_EVENTS + 2):
        journal.append(apart(number))
    house.store.go_on.set()
    await journal.saved()

    assert [len(events) for events in house.store.transactions] == [1, TRANSACTION_EVENTS, 1]
    assert house.store.seqs(ONE) == list(range(1, TRANSACTION_EVENTS + 3))


async def test_a_run_that_takes_none_is_refused_and_the_others_are_not(house: House) -> None:
    ended, living = house.journal(ONE), house.journal(TWO)
    house.store.refused = {ONE}
    ended.append(text("a"))
    living.append(text("b"))
    await asyncio.gather(ended.saved(), living.saved())

    assert (ended.refused, ended.last_seq) == (True, 0)
    assert (living.refused, living.last_seq) == (False, 1)
    assert house.told == [TWO]


async def test_a_short_absence_goes_unnoticed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "SLOW_S", 60.0)
    journal = house.journal()
    house.store.away = True
    journal.append(text("Rome"))
    await until(lambda: house.store.tries >= 3)
    assert (journal.last_seq, house.spilled()) == (0, [])
    house.store.away = False
    await journal.saved()

    assert durable(await first(journal, 1)) == [True]


async def test_a_long_absence_is_said_and_made_up_for_in_order(house: House) -> None:
    journal = house.journal()
    journal.append(text("before"))
    await journal.saved()
    house.store.away = True
    for number in range(5):
        journal.append(apart(number))
        await until(lambda: journal.all_visible)

    shown = await first(journal, 6)
    assert durable(shown) == [True] + [False] * 5
    assert len(house.spilled()) == 5
    house.store.away = False
    await asyncio.wait_for(journal.saved(), 5)
    await back()
    journal.append(text("after"))
    await journal.saved()

    assert [entry for _, entry in house.store.kept] == await first(journal, 7), "what was shown is what is kept"
    assert durable(await first(journal, 7)) == [True] + [False] * 5 + [True]
    assert list(house.folder.iterdir()) == []


async def test_nothing_overtakes_what_waits_for_the_database(house: House) -> None:
    journal = house.journal()
    house.store.away = True
    journal.append(apart(0))
    await until(lambda: journal.last_seq == 1)
    house.store.go_on.clear()
    house.store.away = False
    for number in range(1, 20):
        journal.append(apart(number))
        await until(lambda: journal.all_visible)
    house.store.go_on.set()
    await asyncio.wait_for(journal.saved(), 5)

    assert house.store.seqs(ONE) == list(range(1, 21))
    assert [entry.seq for entry in await first(journal, 20)] == list(range(1, 21))


async def test_a_run_that_was_ended_meanwhile_is_refused_afterwards(house: House) -> None:
    ended, living = house.journal(ONE), house.journal(TWO)
    house.store.away = True
    ended.append(text("a"))
    living.append(text("b"))
    await until(lambda: ended.last_seq == living.last_seq == 1)
    house.store.refused = {ONE}
    house.store.away = False
    await asyncio.gather(ended.saved(), living.saved())

    assert (ended.refused, living.refused) == (True, False)
    assert (house.store.seqs(ONE), house.store.seqs(TWO)) == ([], [1])


async def test_where_the_file_fails_too_nothing_is_shown_until_the_database_is_back(tmp_path: Path) -> None:
    store = ScriptedStore()
    log = EventLog(store, Spill(tmp_path / "missing", "test"))
    log.open()
    journal = Journal(ONE, log)
    store.away = True
    journal.append(text("Rome"))
    tries = store.tries
    await until(lambda: store.tries > tries + 60)
    assert journal.last_seq == 0
    store.away = False
    await journal.saved()
    shown = await first(journal, 1)
    await log.close()

    assert durable(shown) == [True]
    assert [entry for _, entry in store.kept] == shown


async def test_the_backlog_has_a_bound(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MAX_BACKLOG_BYTES", 1_000)
    journal = house.journal()
    house.store.away = True
    for number in range(100):
        journal.append(text(f"{number} " + "x" * 100))
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)  # not to wait for something: so that they do not come together
    tries = house.store.tries
    await until(lambda: house.store.tries > tries + 20)

    assert not journal.all_visible
    assert 0 < sum(map(len, house.spilled())) < 2_000
    house.store.away = False
    await asyncio.wait_for(journal.saved(), 10)
    assert house.store.text(ONE) == "".join(f"{number} " + "x" * 100 for number in range(100))
    assert house.store.seqs(ONE) == list(range(1, journal.last_seq + 1))


@pytest.mark.parametrize("spilled", [False, True])
async def test_a_bug_costs_only_the_runs_it_strikes(house: House, *, spilled: bool) -> None:
    struck, spared = house.journal(ONE), house.journal(TWO)
    house.store.away = spilled
    struck.append(text("a"))
    if spilled:
        await until(lambda: struck.last_seq == 1)
    house.store.crash = ONE
    house.store.away = False
    await asyncio.wait_for(struck.saved(), 5)
    await back()
    spared.append(text("b"))
    await asyncio.wait_for(spared.saved(), 5)

    assert (struck.refused, spared.refused) == (True, False)
    assert house.store.seqs(TWO) == [1]
    assert durable(await first(spared, 1)) == [True], "the way to the database is open again"
    assert house.spilled() == []


async def test_closing_stores_what_is_still_pending(house: House) -> None:
    journal = house.journal()
    house.store.go_on.clear()
    journal.append(text("in hand"))
    await until(lambda: house.store.tries == 1)
    journal.append(text("pending"))
    closing = asyncio.create_task(house.log.close(5))
    await asyncio.sleep(0)
    house.store.go_on.set()
    await closing

    assert house.store.text(ONE) == "in handpending"
    assert house.store.closed


async def test_closing_waits_for_what_is_in_hand(house: House) -> None:
    journal = house.journal()
    house.store.go_on.clear()
    journal.append(text("in hand"))
    await until(lambda: house.store.tries == 1)
    closing = asyncio.create_task(house.log.close(5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    house.store.go_on.set()
    await closing

    assert house.store.text(ONE) == "in hand"


async def test_what_cannot_be_stored_before_the_end_is_there_for_the_next_start(house: House) -> None:
    journal = house.journal()
    house.store.away = True
    journal.append(text("Rome"))
    shown = await first(journal, 1)
    await house.log.close(0.01)
    assert durable(shown) == [False]
    assert len(house.spilled()) == 1

    found: list[NewEvents] = []

    async def append(events: Sequence[NewEvents]) -> None:
        found.extend(events)

    assert await restore(house.folder, append) == 1
    assert found == [NewEvents(ONE, 1, [shown[0]])]
