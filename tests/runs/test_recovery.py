"""Runs that nobody has in hand are ended with what their readers have seen."""

import asyncio
from uuid import UUID

import orjson
import pytest
from sqlalchemy import update

from app.db.conversations import delete_conversation
from app.db.models import Run
from app.db.run_events import add_event
from app.db.runs import request_cancel
from app.db.session import Database
from app.entry import Entry, encode
from app.events import Event, MessageDelta, ReasoningDelta, RunQueued, RunRetrying, ToolCallDelta
from app.runs import recovery
from app.runs.clock import Clock
from app.runs.recovery import interrupt
from tests.db.events import seqs, stored
from tests.db.rows import NOON, Begun, begin, finish, later, messages, new_conversation, run_row

CLOCK = Clock(now=lambda: later(9))


async def tell(database: Database, begun: Begun, *events: Event) -> None:
    async with database.write() as session:
        for seq, event in enumerate(events, 1):
            await add_event(session, begun.run_id, encode(event, run_id=str(begun.run_id), seq=seq))


def text(content: str) -> MessageDelta:
    return MessageDelta(message_id="m", content=content)


def piece(index: int, id_: str | None, arguments: str) -> ToolCallDelta:
    return ToolCallDelta(message_id="m", index=index, id=id_, name="f" if id_ else None, arguments=arguments)


async def last_event(database: Database, run_id: UUID) -> tuple[Entry, dict[str, object]]:
    last = (await stored(database, run_id))[-1]
    return last, orjson.loads(last.data)


@pytest.fixture
async def begun(database: Database) -> Begun:
    return await begin(database, await new_conversation(database), owner="dead", attempts=[{"attempt": 1}])


async def test_what_was_shown_is_kept(database: Database, begun: Begun) -> None:
    await tell(
        database,
        begun,
        RunRetrying(attempt=2, delay_s=0.0, reason="rate_limited"),
        ReasoningDelta(message_id="m", reasoning="Hm."),
        text("Ro"),
        piece(0, "c1", '{"a":'),
        piece(1, "c2", "{}"),
        piece(0, None, "1}"),
        text("me 🐙"),
    )

    assert await interrupt(database, await run_row(database, begun), clock=CLOCK)

    answer = (await messages(database, begun.conversation_id))[-1]
    run = await run_row(database, begun)
    assert (answer.status, answer.content) == ("interrupted", "Rome 🐙")
    assert answer.tool_calls is not None
    calls = [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in answer.tool_calls]
    assert calls == [("c1", "f", '{"a":1}'), ("c2", "f", "{}")]
    assert (run.status, run.finished_at, run.attempts) == ("interrupted", later(9), [{"attempt": 1}])
    last, data = await last_event(database, begun.run_id)
    assert (last.seq, last.type, run.last_seq) == (8, "run.interrupted", 8)
    assert data["message_ids"] == [str(begun.message_id)]
    assert str(data["error"]).startswith("Rome 🐙\n\n⚠ ")
    assert answer.error is not None
    assert answer.error["error_category"] == data["error_category"] == "interrupted"
    assert not str(answer.error["error"]).startswith("Rome"), "the text stands beside it"


async def test_a_run_without_any_event_is_ended_too(database: Database, begun: Begun) -> None:
    assert await interrupt(database, await run_row(database, begun), clock=CLOCK)

    assert (await messages(database, begun.conversation_id))[-1].content == ""
    assert await seqs(database, begun.run_id) == [1]
    assert await begin(database, begun.conversation_id), "the conversation is free"


async def test_what_the_caller_wanted_stopped_is_cancelled(database: Database, begun: Begun) -> None:
    await tell(database, begun, text("Ro"))
    async with database.write() as session:
        await request_cancel(session, user_id="ann", run_id=begun.run_id)

    assert await interrupt(database, await run_row(database, begun), clock=CLOCK)

    last, data = await last_event(database, begun.run_id)
    assert (last.type, "error" in data) == ("run.cancelled", False)
    answer = (await messages(database, begun.conversation_id))[-1]
    assert (answer.status, answer.content, answer.error) == ("cancelled", "Ro", None)


async def test_a_run_that_has_ended_moved_on_or_gone_is_left_alone(database: Database, begun: Begun) -> None:
    waiting = await begin(database, begun.conversation_id, queue=True)
    gone = await begin(database, await new_conversation(database))
    as_found = [await run_row(database, each) for each in (begun, waiting, gone)]
    await finish(database, begun.run_id, content="Rome.")
    async with database.write() as session:
        await session.execute(update(Run).where(Run.id == waiting.run_id).values(epoch=2))
        await delete_conversation(session, user_id="ann", conversation_id=gone.conversation_id)

    assert [await interrupt(database, run, clock=CLOCK) for run in as_found] == [False] * 3

    answers = [message for message in await messages(database, begun.conversation_id) if message.role == "assistant"]
    assert [(answer.status, answer.content) for answer in answers] == [("completed", "Rome."), ("queued", "")]
    assert await seqs(database, begun.run_id) == []


async def test_a_run_that_waits_is_ended_where_it_stands(database: Database, begun: Begun) -> None:
    waiting = await begin(database, begun.conversation_id, queue=True, owner="dead")
    queued = RunQueued(conversation_id="c", user_message_id="u", message_id="m")
    await tell(database, waiting, queued)

    assert await interrupt(database, await run_row(database, waiting), clock=CLOCK)

    assert [one.type for one in await stored(database, waiting.run_id)] == ["run.queued", "run.interrupted"]
    assert (await run_row(database, begun)).status == "running"


async def test_of_many_processes_one_ends_a_run(database: Database, begun: Begun) -> None:
    await tell(database, begun, text("Ro"))
    run = await run_row(database, begun)

    results = await asyncio.gather(*(interrupt(database, run, clock=CLOCK) for _ in range(5)))

    assert sorted(results) == [False] * 4 + [True]
    assert await seqs(database, begun.run_id) == [1, 2]


async def test_a_long_answer_is_read_in_pages(
    database: Database, begun: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "PAGE_EVENTS", 3)
    await tell(database, begun, *(text(f"{number} ") for number in range(10)))
    run: Run = await run_row(database, begun)

    assert await interrupt(database, run, clock=Clock(now=lambda: NOON))

    assert (await messages(database, begun.conversation_id))[-1].content == "0 1 2 3 4 5 6 7 8 9 "
    assert (await run_row(database, begun)).last_seq == 11
