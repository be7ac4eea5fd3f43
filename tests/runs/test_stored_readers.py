"""Reading runs of another process, and of none, from the database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import orjson
import pytest

from app.db.conversations import delete_conversation
from app.db.run_events import add_event
from app.db.session import Database
from app.entry import Entry, encode
from app.events import MessageDelta, RunEnded, RunStatus
from app.runs import readers as readers_module
from app.runs.hub import RunHub
from app.runs.journal import BATCH_ENTRIES
from app.runs.readers import FIRST_EVENTS, Readers
from app.runs.replica import run_topic
from app.wakeups import Wakeups
from tests.db.rows import Begun, begin, finish, new_conversation
from tests.runs.desk import open_desk, until, without_runs
from tests.runs.scripted import STOP, Pause, ScriptedClient, TextDelta


@dataclass
class House:
    database: Database
    readers: Readers
    wakeups: Wakeups
    begun: Begun

    @property
    def run_id(self) -> UUID:
        return self.begun.run_id

    def text(self, seq: int) -> Entry:
        return encode(MessageDelta(message_id="m", content=f"{seq} "), run_id=str(self.run_id), seq=seq)

    def end(self, seq: int) -> Entry:
        ended = RunEnded(status=RunStatus.COMPLETED, message_id="m", provider="p", model="x")
        return encode(ended, run_id=str(self.run_id), seq=seq)

    async def tell(self, *seqs: int) -> list[Entry]:
        """Store events as another process does."""
        entries = [self.text(seq) for seq in seqs]
        async with self.database.write() as session:
            for entry in entries:
                await add_event(session, self.run_id, entry)
        return entries

    async def finish(self, seq: int) -> Entry:
        await finish(self.database, self.run_id, events=(self.end(seq),))
        return self.end(seq)

    def follow(self, into: list[Entry], after: int = 0) -> asyncio.Task[None]:
        async def read() -> None:
            async with asyncio.timeout(10):
                async for batch in self.readers.follow(self.run_id, after, user_id="ann"):
                    into.extend(batch)

        return asyncio.create_task(read())


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with Wakeups() as wakeups:
        begun = await begin(database, await new_conversation(database), owner="other")
        yield House(database, Readers(database, RunHub(), wakeups), wakeups, begun)


async def test_what_another_process_writes_is_read_as_it_comes(house: House) -> None:
    written = await house.tell(1, 2)
    read: list[Entry] = []
    reading = house.follow(read)
    await until(lambda: len(read) == 2)
    written += await house.tell(3)
    house.wakeups.tell(run_topic(house.run_id))
    await until(lambda: len(read) == 3)
    written.append(await house.finish(4))
    await reading

    assert read == written
    late: list[Entry] = []
    await house.follow(late, after=2)
    assert late == written[2:]


async def test_without_a_word_it_looks_by_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers_module, "POLL_S", 0.01)
    read: list[Entry] = []
    reading = house.follow(read)
    await asyncio.sleep(0)
    written = [*await house.tell(1), await house.finish(2)]
    await reading

    assert read == written


async def test_a_long_run_comes_in_batches(house: House) -> None:
    await house.tell(*range(1, BATCH_ENTRIES + 11))
    await house.finish(BATCH_ENTRIES + 11)

    sizes = [len(batch) async for batch in house.readers.follow(house.run_id, user_id="ann")]

    assert sum(sizes) == BATCH_ENTRIES + 11
    assert sizes[0] == FIRST_EVENTS, "the first comes soon"
    assert max(sizes) <= BATCH_ENTRIES


async def test_a_run_that_is_gone_ends_its_readers(house: House) -> None:
    read: list[Entry] = []
    await house.tell(1)
    reading = house.follow(read)
    await until(lambda: len(read) == 1)
    async with house.database.write() as session:
        await delete_conversation(session, user_id="ann", conversation_id=house.begun.conversation_id)
    await reading

    assert [entry.type for entry in read] == ["message.delta", "stream.detached"]
    assert orjson.loads(read[-1].data)["error_category"] == "not_found"


async def test_a_process_that_ends_sends_its_readers_elsewhere(house: House) -> None:
    read: list[Entry] = []
    await house.tell(1, 2)
    reading = house.follow(read)
    await until(lambda: len(read) == 2)
    house.readers.leave()
    await reading

    last = orjson.loads(read[-1].data)
    assert (read[-1].seq, last["type"]) == (0, "stream.detached")
    assert last["resume_url"] == f"/api/chat/runs/{house.run_id}/stream/"
    assert (last["error_category"], last["error"].partition("\n")[0]) == ("server_shutdown", "1 2 ")


async def test_what_is_there_is_given_before_it_leaves(house: House) -> None:
    written = [*await house.tell(1), await house.finish(2)]
    house.readers.leave()
    read: list[Entry] = []
    await house.follow(read)

    assert read == written


async def test_a_short_absence_of_the_database_goes_unnoticed(house: House, database_url: str) -> None:
    read: list[Entry] = []
    await house.tell(1)
    reading = house.follow(read)
    await until(lambda: len(read) == 1)
    async with without_runs(database_url):
        house.wakeups.tell(run_topic(house.run_id))
        await asyncio.sleep(0)
    await house.finish(2)
    await reading

    assert [entry.seq for entry in read] == [1, 2]


async def test_a_reader_is_told_when_the_database_stays_away(
    house: House, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers_module, "PATIENCE_S", 0.05)
    monkeypatch.setattr(readers_module, "POLL_S", 0.01)
    read: list[Entry] = []
    await house.tell(1)
    reading = house.follow(read)
    await until(lambda: len(read) == 1)
    async with without_runs(database_url):
        await reading

    assert orjson.loads(read[-1].data)["error_category"] == "storage_unavailable"
    assert read[-1].seq == 0


async def test_a_live_run_is_read_from_memory_and_then_from_the_database_byte_for_byte(database: Database) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([TextDelta("Ro"), pause, TextDelta("me"), STOP])) as desk:
        readers = Readers(database, desk.hub, Wakeups())
        run = await desk.send()
        live = [entry async for batch in _released(readers, run.run_id, pause) for entry in batch]
        await desk.idle()
        again = [entry async for batch in readers.follow(run.run_id, user_id="ada") for entry in batch]

    assert live == again
    assert [entry.seq for entry in live] == list(range(1, len(live) + 1))
    assert live[-1].terminal


async def _released(readers: Readers, run_id: UUID, pause: Pause) -> AsyncIterator[tuple[Entry, ...]]:
    async for batch in readers.follow(run_id, user_id="ann"):
        yield tuple(batch)
        pause.release.set()
