import asyncio
from uuid import UUID

import orjson
import pytest

from app.events import MessageDelta, RunEnded, RunStatus
from app.runs.journal import BATCH_ENTRIES, Entry, Journal

RUN = UUID(int=1)


def text(content: str) -> MessageDelta:
    return MessageDelta(message_id="m", content=content)


def end() -> RunEnded:
    return RunEnded(status=RunStatus.COMPLETED, message_id="m", provider="p", model="x")


async def read(journal: Journal, after: int = 0) -> list[Entry]:
    return [entry async for batch in journal.follow(after) for entry in batch]


async def test_entries_are_numbered_and_carry_their_number() -> None:
    journal = Journal(RUN)

    entry = journal.append(text("a"))

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
        async for batch in journal.follow():
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
