import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.db.conversations import delete_conversation, get_conversation
from app.db.models import Run
from app.db.runs import active_run, begin_run, get_run
from app.db.session import Database
from app.errors import ConversationBusy, NotFound
from app.events import RunStatus
from tests.db.rows import NOON, Begun, begin, finish, later, messages, new_conversation, run_row


async def test_begin_stores_the_question_and_a_place_for_the_answer(database: Database) -> None:
    begun = await begin(database, await new_conversation(database), text="Hello 🐙")

    asked, answer = await messages(database, begun.conversation_id)
    async with database.read() as session:
        run = await get_run(session, user_id="ann", run_id=begun.run_id)

    assert (asked.id, asked.role, asked.content, asked.status) == (
        begun.user_message_id,
        "user",
        "Hello 🐙",
        "complete",
    )
    assert (asked.provider, asked.model, asked.run_id) == (None, None, begun.run_id)
    assert (answer.id, answer.role, answer.content, answer.status) == (begun.message_id, "assistant", "", "running")
    assert (answer.provider, answer.model, answer.error) == ("groq", "compound", None)
    assert (run.status, run.message_id, run.finished_at) == ("running", begun.message_id, None)


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [("", "a" * 200, "a" * 120), ("", "é😀" * 100, "é😀" * 60), ("Kept", "new", "Kept"), ("", "", "")],
)
async def test_the_first_words_become_the_title(database: Database, title: str, text: str, expected: str) -> None:
    conversation_id = await new_conversation(database, title=title)

    await begin(database, conversation_id, text=text, now=later(7))

    async with database.read() as session:
        conversation = await get_conversation(session, user_id="ann", conversation_id=conversation_id)
    assert (conversation.title, conversation.next_seq, conversation.updated_at) == (expected, 3, later(7))


async def test_begin_in_a_foreign_conversation_writes_nothing(database: Database) -> None:
    conversation_id = await new_conversation(database)

    for user_id, wanted in (("bob", conversation_id), ("ann", uuid4())):
        with pytest.raises(NotFound):
            await begin(database, wanted, user_id=user_id)

    assert await messages(database, conversation_id) == []


async def test_a_second_run_is_told_which_one_is_in_the_way(database: Database) -> None:
    first = await begin(database, await new_conversation(database))

    with pytest.raises(ConversationBusy) as busy:
        await begin(database, first.conversation_id)

    assert busy.value.run_id == str(first.run_id)
    assert len(await messages(database, first.conversation_id)) == 2


async def test_of_fifty_that_begin_at_once_exactly_one_wins(database: Database) -> None:
    conversation_id = await new_conversation(database)

    results = await asyncio.gather(*(begin(database, conversation_id) for _ in range(50)), return_exceptions=True)

    won = [result for result in results if isinstance(result, Begun)]
    lost = [result for result in results if isinstance(result, ConversationBusy)]
    assert (len(won), len(lost)) == (1, 49)
    assert {busy.run_id for busy in lost} == {str(won[0].run_id)}
    assert [row.seq for row in await messages(database, conversation_id)] == [1, 2]


async def test_the_active_run_is_its_owners_and_gone_with_its_end(database: Database) -> None:
    begun = await begin(database, await new_conversation(database))

    async def active(user_id: str) -> UUID | None:
        async with database.read() as session:
            run = await active_run(session, user_id=user_id, conversation_id=begun.conversation_id)
            return run.id if run is not None else None

    assert (await active("ann"), await active("bob")) == (begun.run_id, None)
    await finish(database, begun.run_id)
    assert await active("ann") is None


async def test_conversations_do_not_wait_for_one_another(database: Database) -> None:
    ids = [await new_conversation(database) for _ in range(20)]

    begun = await asyncio.gather(*(begin(database, each) for each in ids))

    assert len(begun) == 20


async def test_finish_writes_the_run_and_its_message(database: Database) -> None:
    begun = await begin(database, await new_conversation(database))
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":"ü"}'}}]
    error: dict[str, Any] = {"code": "stream_interrupted", "nested": {"list": [1, 2.5, None, True]}}

    changed = await finish(
        database,
        begun.run_id,
        status=RunStatus.FAILED,
        content="par",
        tool_calls=calls,
        finish_reason=None,
        error=error,
        usage={"input": 1, "output": 2},
        attempts=[{"attempt": 1, "code": "provider_timeout"}],
        now=later(3),
    )

    _, answer = await messages(database, begun.conversation_id)
    async with database.read() as session:
        run = await get_run(session, user_id="ann", run_id=begun.run_id)
        conversation = await get_conversation(session, user_id="ann", conversation_id=begun.conversation_id)
    assert changed is True
    assert (answer.status, answer.content, answer.tool_calls, answer.error) == ("failed", "par", calls, error)
    assert (run.status, run.error, run.usage) == ("failed", error, {"input": 1, "output": 2})
    assert (run.attempts, run.finished_at) == ([{"attempt": 1, "code": "provider_timeout"}], later(3))
    assert (run.ttft_ms, run.latency_ms, answer.ttft_ms, answer.latency_ms) == (10, 20, 10, 20)
    assert conversation.updated_at == later(3)


async def test_the_end_names_who_answered_where_that_is_another_one(database: Database) -> None:
    same = await begin(database, await new_conversation(database))
    before = await run_row(database, same)
    moved = await begin(database, await new_conversation(database))
    await finish(database, same.run_id)
    await finish(database, moved.run_id, provider="spare", model="s-1")

    found: list[tuple[str | None, str | None]] = []
    for begun in (same, moved):
        answer, run = (await messages(database, begun.conversation_id))[-1], await run_row(database, begun)
        found += [(answer.provider, answer.model), (run.provider, run.model)]
    assert found == [(before.provider, before.model)] * 2 + [("spare", "s-1")] * 2


async def test_a_run_ends_once(database: Database) -> None:
    begun = await begin(database, await new_conversation(database))

    results = await asyncio.gather(*(finish(database, begun.run_id, content=str(each)) for each in range(10)))

    assert sorted(results) == [False] * 9 + [True]
    _, answer = await messages(database, begun.conversation_id)
    assert answer.content == str(results.index(True))


async def test_after_the_end_a_new_run_may_begin(database: Database) -> None:
    begun = await begin(database, await new_conversation(database))
    await finish(database, begun.run_id)

    again = await begin(database, begun.conversation_id)

    assert [row.seq for row in await messages(database, again.conversation_id)] == [1, 2, 3, 4]


async def test_to_finish_an_unknown_or_deleted_run_changes_nothing(database: Database) -> None:
    begun = await begin(database, await new_conversation(database))
    async with database.write() as session:
        await delete_conversation(session, user_id="ann", conversation_id=begun.conversation_id)

    assert await finish(database, begun.run_id) is False
    assert await finish(database, uuid4()) is False


async def test_deleting_while_runs_end_never_locks_up(database: Database) -> None:
    runs = [await begin(database, await new_conversation(database)) for _ in range(10)]

    async def remove(begun: Begun) -> None:
        async with database.write() as session:
            await delete_conversation(session, user_id="ann", conversation_id=begun.conversation_id)

    async with asyncio.timeout(20):
        await asyncio.gather(*(finish(database, each.run_id) for each in runs), *(remove(each) for each in runs))


async def test_a_foreign_run_is_absent(database: Database) -> None:
    begun = await begin(database, await new_conversation(database))

    async with database.read() as session:
        for user_id, run_id in (("bob", begun.run_id), ("ann", uuid4())):
            with pytest.raises(NotFound):
                await get_run(session, user_id=user_id, run_id=run_id)


async def test_a_block_that_fails_stores_nothing(database: Database) -> None:
    begun = Begun(await new_conversation(database))

    async def begin_and_fail() -> None:
        async with database.write() as session:
            await begin_run(session, begun.row(), now=NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await begin_and_fail()

    assert await messages(database, begun.conversation_id) == []
    async with database.read() as session:
        assert await session.get(Run, begun.run_id) is None
