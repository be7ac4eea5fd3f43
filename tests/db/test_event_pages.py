"""Events that lie in the journal, in pages and in rows at once are read once, in their order, byte for byte."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import sqlite_events
from app.db.event_pages import PAGE_BYTES, PAGE_EVENTS, entries_of, in_order, pages_of
from app.db.event_store import EventStore
from app.db.run_events import add_events, last_event_seq, read_events, unfolded_events
from app.db.session import Database
from app.entry import Entry
from tests.db.events import entry, new, stored
from tests.db.rows import begin, finish, new_conversation


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = Database.open(sqlite_url)
    yield opened
    await opened.close()


@pytest.fixture
async def store(sqlite_database: Database) -> AsyncIterator[EventStore]:
    opened = EventStore(sqlite_database)
    yield opened
    await opened.close()


@given(st.lists(st.integers(0, 3 * PAGE_BYTES // 2), max_size=12), st.integers(0, 2 * PAGE_EVENTS))
def test_pages_hold_what_they_were_made_of(sizes: list[int], small: int) -> None:
    entries = [entry(seq, "x" * size) for seq, size in enumerate([*sizes, *[1] * small], start=1)]

    pages = list(pages_of(entries))

    assert [one for page in pages for one in entries_of(page.seq, page.type, page.data)] == entries
    assert [page.seq for page in pages] == sorted({page.seq for page in pages})
    for page in pages:
        held = list(entries_of(page.seq, page.type, page.data))
        assert page.seq == held[-1].seq
        assert len(held) <= PAGE_EVENTS
        assert len(held) == 1 or sum(len(one.data) for one in held) <= PAGE_BYTES


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 10)), max_size=8), st.integers(0, 20))
def test_what_is_there_twice_is_given_once(ranges: list[tuple[int, int]], after: int) -> None:
    pieces = [entry(seq) for first, count in sorted(ranges) for seq in range(first, first + count)]

    found = [one.seq for one in in_order(sorted(pieces, key=lambda one: one.seq), after=after)]

    assert found == sorted({one.seq for one in pieces if one.seq > after})


async def test_events_are_folded_when_they_are_old_and_read_across_pages(
    sqlite_database: Database, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = (await begin(sqlite_database, await new_conversation(sqlite_database))).run_id
    monkeypatch.setattr(sqlite_events, "FOLD_S", 0.0)
    folded: dict[UUID, int] = {}
    for first in range(1, 700, 7):
        folded |= dict((await store.append([new(run_id, *range(first, first + 7))])).folded)

    assert folded[run_id] >= 680, "all but what came last"
    async with sqlite_database.read() as session:
        assert await last_event_seq(session, run_id=run_id) == folded[run_id]
        for after in (0, 3, 256, 690):
            page = await read_events(session, run_id=run_id, after=after, limit=5)
            assert [one.seq for one in page] == list(range(after + 1, min(after + 5, folded[run_id]) + 1))
        tail = await unfolded_events(session, run_id=run_id, after=folded[run_id])
    assert [one.seq for one in tail] == list(range(folded[run_id] + 1, 701))
    assert await stored(sqlite_database, run_id) == tuple(entry(seq) for seq in range(1, 701))


async def test_the_end_of_a_run_stores_what_only_the_journal_has(sqlite_database: Database, store: EventStore) -> None:
    run_id = (await begin(sqlite_database, await new_conversation(sqlite_database))).run_id
    await store.append([new(run_id, 1, 2, 3)])
    last = entry(4, kind="run.completed")
    assert await finish(sqlite_database, run_id, events=(entry(1), entry(2), entry(3), last))
    async with sqlite_database.read() as session:
        found = await read_events(session, run_id=run_id, after=0, limit=10)
    assert [one.seq for one in found] == [1, 2, 3, 4]

    await store.fold(everything=True)

    assert await stored(sqlite_database, run_id) == tuple(found), "folding it again changes nothing"


async def test_a_start_finds_what_a_dead_process_has_left_once(sqlite_database: Database, store: EventStore) -> None:
    one, other = [(await begin(sqlite_database, await new_conversation(sqlite_database))).run_id for _ in range(2)]
    await store.append([new(one, 1, 2), new(other, 1)])
    await store.append([new(one, 2, 3)])  # a repeated try has some of them twice
    starting = EventStore(sqlite_database)

    assert await starting.recover() == 5
    assert await starting.recover() == 0
    await starting.close()

    async with sqlite_database.read() as session:
        found = [await read_events(session, run_id=run_id, after=0, limit=10) for run_id in (one, other)]
    assert [[event.seq for event in events] for events in found] == [[1, 2, 3], [1]]


async def test_a_single_event_is_a_row_as_it_is(sqlite_database: Database) -> None:
    run_id = (await begin(sqlite_database, await new_conversation(sqlite_database))).run_id
    odd = Entry(1, "run.completed", b'{"a":1.0,  "b":"\xc3\xbc"}')
    async with sqlite_database.write() as session:
        await add_events(session, run_id, [odd])

    assert await stored(sqlite_database, run_id) == (odd,)
