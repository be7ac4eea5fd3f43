import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from app.db.conversations import delete_conversation
from app.db.idempotency import KEPT, Claim, find_claimed, put_claim, trim_claims
from app.db.session import Database
from app.errors import ConversationBusy, IdempotencyMismatch
from tests.db.rows import NOON, Begun, begin, new_conversation

CLAIM = Claim(key="k", fingerprint="f")
OTHER = Claim(key="k", fingerprint="g")


async def put(
    database: Database, run_id: UUID, claim: Claim = CLAIM, user_id: str = "ann", now: timedelta = KEPT
) -> None:
    """Put the claim; `now` counts from a day before NOON, so that the default is NOON."""
    async with database.write() as session:
        await put_claim(session, claim, user_id=user_id, run_id=run_id, now=NOON - KEPT + now)


async def find(
    database: Database, claim: Claim = CLAIM, user_id: str = "ann", after: timedelta = timedelta()
) -> UUID | None:
    async with database.read() as session:
        return await find_claimed(session, claim, user_id=user_id, now=NOON + after)


@pytest.fixture
async def begun(database: Database) -> Begun:
    return await begin(database, await new_conversation(database))


async def test_the_same_request_finds_its_run(database: Database, begun: Begun) -> None:
    assert await find(database) is None
    await put(database, begun.run_id)

    assert await find(database) == begun.run_id
    assert await find(database, Claim(key="K", fingerprint="f")) is None
    with pytest.raises(IdempotencyMismatch):
        await find(database, OTHER)


async def test_a_key_is_one_users_own(database: Database, begun: Begun) -> None:
    await put(database, begun.run_id)

    assert await find(database, OTHER, user_id="bob") is None
    await put(database, begun.run_id, OTHER, user_id="bob")
    assert await find(database, OTHER, user_id="bob") == begun.run_id


async def test_a_key_is_taken_once(database: Database, begun: Begun) -> None:
    await put(database, begun.run_id)

    for claim in (CLAIM, OTHER):
        with pytest.raises(IdempotencyMismatch):
            await put(database, begun.run_id, claim)


async def test_a_key_is_kept_for_a_day_and_then_free(database: Database, begun: Begun) -> None:
    await put(database, begun.run_id)
    tick = timedelta(microseconds=1)

    assert await find(database, after=KEPT - tick) == begun.run_id
    assert await find(database, OTHER, after=KEPT) is None
    with pytest.raises(IdempotencyMismatch):
        await put(database, begun.run_id, OTHER, now=2 * KEPT - tick)
    await put(database, begun.run_id, OTHER, now=2 * KEPT)
    assert await find(database, OTHER, after=KEPT) == begun.run_id


async def test_old_keys_are_forgotten(database: Database, begun: Begun) -> None:
    await put(database, begun.run_id)
    await put(database, begun.run_id, Claim(key="new", fingerprint="f"), now=KEPT + timedelta(hours=1))
    async with database.write() as session:
        await trim_claims(session, now=NOON + KEPT)

    assert await find(database) is None
    assert await find(database, Claim(key="new", fingerprint="f")) == begun.run_id


async def test_a_key_goes_with_its_conversation(database: Database, begun: Begun) -> None:
    await put(database, begun.run_id)
    async with database.write() as session:
        await delete_conversation(session, user_id="ann", conversation_id=begun.conversation_id)

    assert await find(database, OTHER) is None


async def test_of_many_that_take_one_key_for_different_conversations_one_wins(database: Database) -> None:
    runs = [(await begin(database, await new_conversation(database))).run_id for _ in range(10)]

    results = await asyncio.gather(*(put(database, run_id) for run_id in runs), return_exceptions=True)

    lost = [result for result in results if isinstance(result, IdempotencyMismatch)]
    assert (results.count(None), len(lost)) == (1, 9)
    assert await find(database) == runs[results.index(None)]


async def test_the_key_is_not_taken_where_the_message_is_refused(database: Database, begun: Begun) -> None:
    async def refused() -> None:
        async with database.write() as session:
            await put_claim(session, CLAIM, user_id="ann", run_id=begun.run_id, now=NOON)
            raise ConversationBusy

    with pytest.raises(ConversationBusy):
        await refused()

    assert await find(database) is None
