from datetime import timedelta
from uuid import uuid4

from app.db.conversations import delete_conversation
from app.db.run_events import add_event, last_event_seq, trim_events
from app.db.session import Database
from app.entry import Entry
from tests.db.events import entry, seqs, stored
from tests.db.rows import begin, finish, later, new_conversation


async def test_events_come_back_byte_for_byte_in_their_order(database: Database) -> None:
    run_id = (await begin(database, await new_conversation(database))).run_id
    data = [b'{"a":1.0,  "b":"\xc3\xbc\\u0000\xf0\x9f\x90\x99"}', b'{"z":1,"a":2}', b'{"n":1e400}']
    written = [Entry(seq, f"type.{seq}", line) for seq, line in enumerate(data, 1)]
    async with database.write() as session:
        for one in reversed(written):
            await add_event(session, run_id, one)

    assert await stored(database, run_id) == tuple(written)
    assert await stored(database, run_id, after=1, limit=1) == (written[1],)
    assert await stored(database, run_id, after=3) == ()


async def test_the_newest_number_is_that_of_one_run(database: Database) -> None:
    one = (await begin(database, await new_conversation(database))).run_id
    other = (await begin(database, await new_conversation(database))).run_id
    async with database.write() as session:
        for seq in (1, 2, 3):
            await add_event(session, one, entry(seq))

    async with database.read() as session:
        found = [await last_event_seq(session, run_id=run_id) for run_id in (one, other, uuid4())]
    assert found == [3, 0, 0]


async def test_events_are_kept_for_a_while_after_the_end(database: Database) -> None:
    old, recent, living = [(await begin(database, await new_conversation(database))).run_id for _ in range(3)]
    async with database.write() as session:
        for run_id in (old, recent, living):
            await add_event(session, run_id, entry(1))
    await finish(database, old, now=later(1), events=(entry(2, kind="run.completed"),))
    await finish(database, recent, now=later(2), events=(entry(2, kind="run.completed"),))

    async with database.write() as session:
        assert await trim_events(session, ended_before=later(2), limit=10) == 1
        assert await trim_events(session, ended_before=later(2), limit=10) == 0

    assert [await seqs(database, run_id) for run_id in (old, recent, living)] == [[], [1, 2], [1]]


async def test_a_part_is_trimmed_at_a_time(database: Database) -> None:
    ended = [(await begin(database, await new_conversation(database))).run_id for _ in range(5)]
    for run_id in ended:
        await finish(database, run_id, events=(entry(1, kind="run.completed"),))

    trimmed: list[int] = []
    for _ in range(4):
        async with database.write() as session:
            trimmed.append(await trim_events(session, ended_before=later(1) + timedelta(seconds=1), limit=2))

    assert trimmed == [2, 2, 1, 0]


async def test_events_go_with_their_conversation(database: Database) -> None:
    begun = await begin(database, await new_conversation(database))
    async with database.write() as session:
        await add_event(session, begun.run_id, entry(1))
    async with database.write() as session:
        await delete_conversation(session, user_id="ann", conversation_id=begun.conversation_id)

    assert await seqs(database, begun.run_id) == []
