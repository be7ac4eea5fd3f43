"""Several runs in one conversation: one writes, the others wait in their order."""

from uuid import UUID

import pytest

from app.db.runs import MAX_QUEUED, active_run, claim_run
from app.db.session import Database
from app.errors import ConversationBusy, NotFound
from app.events import RunStatus
from tests.db.rows import Begun, begin, finish, later, messages, new_conversation, run_row


async def claim(database: Database, begun: Begun, owner: str = "me") -> bool:
    async with database.write() as session:
        return await claim_run(session, begun.run_id, user_id="ann", conversation_id=begun.conversation_id, owner=owner)


@pytest.mark.parametrize("step", [0, 1, -1])
async def test_waiting_runs_are_taken_in_the_order_they_came(database: Database, step: int) -> None:
    """Whatever the clock says: it may stand still or go back."""
    conversation_id = await new_conversation(database)
    first = await begin(database, conversation_id)
    waiting = [await begin(database, conversation_id, queue=True, owner="me", now=later(step * n)) for n in range(1, 4)]
    assert [await claim(database, each) for each in waiting] == [False] * 3

    taken: list[UUID] = []
    ended = first
    for _ in waiting:
        await finish(database, ended.run_id)
        active = await active_run_of(database, conversation_id)
        (ended,) = [each for each in reversed(waiting) if each.run_id not in taken and await claim(database, each)]
        assert active == ended.run_id, "the next one is the one that is shown"
        taken.append(ended.run_id)

    assert taken == [each.run_id for each in waiting]


async def active_run_of(database: Database, conversation_id: UUID) -> UUID | None:
    async with database.read() as session:
        run = await active_run(session, user_id="ann", conversation_id=conversation_id)
        return run.id if run is not None else None


@pytest.mark.parametrize("step", [0, -1])
async def test_messages_keep_their_order_whatever_the_clock_says(database: Database, step: int) -> None:
    conversation_id = await new_conversation(database)
    for n in range(3):
        begun = await begin(database, conversation_id, text=str(n), now=later(step * n))
        await finish(database, begun.run_id, content=f"{n}!", now=later(step * n))

    assert [each.content for each in await messages(database, conversation_id)] == ["0", "0!", "1", "1!", "2", "2!"]


async def test_to_claim_begins_the_run_of_its_own_process(database: Database) -> None:
    first = await begin(database, await new_conversation(database), owner="me")
    waiting = await begin(database, first.conversation_id, queue=True, owner="me")
    assert [(await run_row(database, each)).status for each in (first, waiting)] == ["running", "queued"]
    assert (await messages(database, first.conversation_id))[-1].status == "queued"
    await finish(database, first.run_id)
    with pytest.raises(NotFound):
        await claim(database, waiting, owner="another")

    assert await claim(database, waiting)
    run = await run_row(database, waiting)
    assert (run.status, run.epoch, run.owner) == ("running", 1, "me")
    assert (await messages(database, first.conversation_id))[-1].status == "running"
    assert await claim(database, waiting), "the answer to it may have been lost"
    await finish(database, waiting.run_id)
    with pytest.raises(NotFound):
        await claim(database, waiting)


async def test_a_run_that_waits_can_end_without_its_turn(database: Database) -> None:
    first = await begin(database, await new_conversation(database))
    waiting, last = [await begin(database, first.conversation_id, queue=True, owner="me") for _ in range(2)]

    assert await finish(database, waiting.run_id, status=RunStatus.CANCELLED)
    with pytest.raises(NotFound):
        await claim(database, waiting)
    await finish(database, first.run_id)
    assert await claim(database, last)


async def test_only_so_many_may_wait(database: Database) -> None:
    first = await begin(database, await new_conversation(database))
    for _ in range(MAX_QUEUED):
        await begin(database, first.conversation_id, queue=True, owner="me")

    with pytest.raises(ConversationBusy) as busy:
        await begin(database, first.conversation_id, queue=True, owner="me")
    assert busy.value.run_id == str(first.run_id)


async def test_a_run_begins_at_once_where_nothing_is_in_its_way(database: Database) -> None:
    begun = await begin(database, await new_conversation(database), queue=True)

    assert (await run_row(database, begun)).status == "running"
