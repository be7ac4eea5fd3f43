import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar
from uuid import UUID

import orjson
import pytest

from app.entry import Entry
from app.errors import ServerShutdown, StorageUnavailable
from app.events import MessageDelta, ReasoningDelta, RunEnded, RunStatus
from app.runs.journal import BATCH_ENTRIES, MAX_PENDING, Journal
from tests.runs.following import follow

RUN = UUID(int=1)
T = TypeVar("T")


def text(content: str) -> MessageDelta:
    return MessageDelta(message_id="m", content=content)


def end() -> RunEnded:
    return RunEnded(status=RunStatus.COMPLETED, message_id="m", provider="p", model="x")


async def read(journal: Journal, after: int = 0) -> list[Entry]:
    return [entry async for batch in follow(journal, after) for entry in batch]


async def test_entries_are_numbered_and_carry_their_number() -> None:
    journal = Journal(RUN)

    journal.append(text("a"))
    reading = follow(journal)
    (entry,) = await anext(reading)
    await reading.aclose()

    assert (entry.seq, entry.type, journal.last_seq) == (1, "message.delta", 1)
    assert orjson.loads(entry.data)["seq"] == 1
    assert orjson.loads(entry.data)["run_id"] == str(RUN)


async def test_a_late_reader_gets_the_same_entries_as_an_early_one() -> None:
    journal = Journal(RUN)
    early = asyncio.create_task(read(journal))
    for content in "abc":
        await asyncio.sleep(0)
        journal.append(text(content))
    journal.append(end())

    replay = await read(journal)

    assert await early == replay
    assert [entry.seq for entry in replay] == [1, 2, 3, 4]


async def test_a_reader_resumes_after_its_cursor() -> None:
    journal = Journal(RUN)
    for content in "abc":
        journal.append(text(content))
    journal.append(end())

    assert [entry.seq for entry in await read(journal, after=2)] == [3, 4]
    assert await read(journal, after=4) == []
    assert await read(journal, after=9) == []


async def test_a_slow_reader_gets_bigger_batches_and_holds_nothing_up() -> None:
    journal = Journal(RUN)
    batches: list[int] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async for batch in follow(journal):
            batches.append(len(batch))
            began.set()
            await go_on.wait()

    reader = asyncio.create_task(slow())
    journal.append(text("a"))
    await began.wait()
    for _ in range(99):
        journal.append(text("b"))
    journal.append(end())
    go_on.set()
    await reader

    assert batches == [1, 100]


async def test_the_terminal_event_and_the_end_are_one() -> None:
    journal = Journal(RUN)
    reader = asyncio.create_task(read(journal))
    await asyncio.sleep(0)
    journal.append(end())

    assert journal.closed
    assert [entry.type for entry in await reader] == ["run.completed"]
    with pytest.raises(RuntimeError, match=r"run\.completed after the end"):
        journal.append(end())


async def test_a_replay_leaves_turns_to_others() -> None:
    journal = Journal(RUN)
    for _ in range(BATCH_ENTRIES * 10):
        journal.append(text("a"))
    journal.append(end())
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(other())
    entries = await read(journal)
    ticking.cancel()

    assert len(entries) == BATCH_ENTRIES * 10 + 1
    assert turns >= 10


async def test_a_reader_that_leaves_takes_nobody_with_it() -> None:
    journal = Journal(RUN)
    leaving, staying = (asyncio.create_task(read(journal)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    journal.append(end())

    assert leaving.cancelled()
    assert len(await staying) == 1


async def test_a_cursor_beyond_the_newest_entry_waits_for_its_own() -> None:
    journal = Journal(RUN)
    journal.append(text("a"))
    reader = asyncio.create_task(read(journal, after=2))
    await asyncio.sleep(0)
    journal.append(text("b"))
    journal.append(text("c"))
    journal.append(end())

    assert [entry.seq for entry in await reader] == [3, 4]


@pytest.mark.parametrize("readers", [1, 50])
async def test_every_reader_sees_every_entry_once(readers: int) -> None:
    journal = Journal(RUN)
    reading = [asyncio.create_task(read(journal, after=n % 3)) for n in range(readers)]
    for n in range(1000):
        journal.append(text("x"))
        if n % 7 == 0:
            await asyncio.sleep(0)
    journal.append(end())

    for n, entries in enumerate(await asyncio.gather(*reading)):
        assert [entry.seq for entry in entries] == list(range(n % 3 + 1, 1002))


# --- with a log


class MarkedLog:
    """Remembers which journals have something for it, and stores nothing by itself."""

    def __init__(self) -> None:
        self.marked: list[Journal] = []

    def mark(self, journal: Journal) -> None:
        self.marked.append(journal)


@pytest.fixture
def log() -> MarkedLog:
    return MarkedLog()


@pytest.fixture
def journal(log: MarkedLog) -> Journal:
    return Journal(RUN, log)


def data_of(entries: Iterable[Entry]) -> list[str]:
    return [orjson.loads(entry.data)["content"] for entry in entries]


async def test_what_is_pending_is_nobodys_to_see(journal: Journal, log: MarkedLog) -> None:
    reader = asyncio.create_task(read(journal))
    journal.append(text("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (journal.last_seq, journal.all_visible, log.marked) == (0, False, [journal])
    taken = journal.take()
    assert (journal.last_seq, journal.all_visible) == (0, False)
    journal.publish(taken)
    assert (journal.last_seq, journal.all_visible) == (1, True)
    journal.publish((journal.number(end()),))
    assert [entry.type for entry in await reader] == ["message.delta", "run.completed"]


async def test_text_that_came_together_is_taken_as_one_and_numbers_have_no_gaps(journal: Journal) -> None:
    journal.publish((journal.number(text("first")),))
    for event in (text("a"), text("b"), ReasoningDelta(message_id="m", reasoning="hm"), text("c")):
        journal.append(event)

    taken = journal.take()

    assert [(entry.seq, entry.type) for entry in taken] == [
        (2, "message.delta"),
        (3, "reasoning.delta"),
        (4, "message.delta"),
    ]
    assert data_of((taken[0], taken[2])) == ["ab", "c"]
    assert journal.take() == []
    journal.append(text("d"))
    assert [entry.seq for entry in journal.take()] == [5]


async def test_saved_waits_for_the_database_and_not_for_the_reader(journal: Journal) -> None:
    await done(journal.saved())
    journal.append(text("a"))
    waiting = asyncio.create_task(journal.saved())
    journal.publish(journal.take(), saved=False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert journal.all_visible
    assert not waiting.done()
    journal.mark_saved(1)
    await done(waiting)


async def test_saved_does_not_wait_for_a_number_that_came_to_nothing(journal: Journal) -> None:
    journal.append(text("a"))
    journal.publish(journal.take())
    journal.number(end())

    await done(journal.saved())
    assert journal.all_visible, "an end that could not be stored is no event"
    assert journal.renumber(end()).seq == 2
    assert journal.renumber(end()).seq == 2


async def test_saved_before_waits_for_what_stands_before_a_number(journal: Journal) -> None:
    for content in "ab":
        journal.append(text(content))
        journal.publish(journal.take(), saved=False)
    waiting = asyncio.create_task(journal.saved_before(3))
    journal.mark_saved(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert not waiting.done()
    journal.mark_saved(2)
    await done(waiting)
    journal.mark_saved(1)
    await done(journal.saved_before(3))


async def test_a_refused_journal_forgets_what_is_pending_and_takes_no_more(journal: Journal, log: MarkedLog) -> None:
    journal.append(text("a"))
    waiting = [asyncio.create_task(wait) for wait in (journal.saved(), journal.saved_before(9))]
    journal.refuse()
    marked = len(log.marked)
    journal.append(text("b"))

    assert (journal.refused, journal.take(), len(log.marked)) == (True, [], marked)
    for one in waiting:
        await done(one)
    assert not journal.closed


async def test_a_refused_journal_still_tells_how_the_run_ended(journal: Journal) -> None:
    journal.refuse()
    journal.publish((journal.renumber(end()),))

    assert [entry.type for entry in await read(journal)] == ["run.completed"]


async def test_who_reads_a_journal_that_is_left_gets_what_is_visible_and_goes(journal: Journal) -> None:
    reader = asyncio.create_task(read(journal))
    journal.append(text("a"))
    journal.publish(journal.take())
    journal.append(text("never shown"))
    journal.leave(StorageUnavailable())
    journal.leave(ServerShutdown())

    assert data_of(await done(reader)) == ["a"]
    assert isinstance(journal.left_with, StorageUnavailable), "the first reason stands"
    assert data_of(await read(journal)) == ["a"]


async def test_a_closed_journal_is_not_left(journal: Journal) -> None:
    journal.publish((journal.number(end()),))
    journal.leave(StorageUnavailable())
    journal.publish((journal.number(text("too late")),))

    assert (journal.left_with, journal.last_seq) == (None, 1)


async def test_whoever_is_far_ahead_of_the_storage_has_to_wait(journal: Journal) -> None:
    for _ in range(MAX_PENDING - 1):
        journal.append(text("a"))
    await done(journal.room())
    journal.append(text("a"))
    waiting = asyncio.create_task(journal.room())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert journal.full
    assert not waiting.done()
    journal.take()
    await done(waiting)


async def test_refusing_makes_room(journal: Journal) -> None:
    for _ in range(MAX_PENDING):
        journal.append(text("a"))
    waiting = asyncio.create_task(journal.room())
    journal.refuse()

    await done(waiting)


async def test_the_text_shown_is_what_is_visible(journal: Journal) -> None:
    journal.append(text("Ro"))
    journal.publish(journal.take())
    journal.append(text("me"))

    assert journal.shown_text() == "Ro"


async def done(wait: Awaitable[T]) -> T:
    """Give what comes at once, or fail."""
    async with asyncio.timeout(5):
        return await wait
