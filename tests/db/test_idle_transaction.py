"""A process that is held in the middle of a transaction keeps its locks for a while, not for as long as it is held."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.db import conversations, engine, runs
from app.db.session import Database
from app.errors import StorageUnavailable

ID = UUID(int=0xC0)


async def test_the_locks_of_a_transaction_that_does_nothing_are_given_back(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_SECONDS", 0.3)
    held, other = Database.open(postgres_url), Database.open(postgres_url)
    async with other.write() as session:
        now = datetime.now(UTC)
        await conversations.create_conversation(session, user_id="ada", conversation_id=ID, title="", now=now)
    taken: list[UUID] = []
    with pytest.raises(StorageUnavailable):
        await _hold(held, other, taken)
    await held.close()
    await other.close()

    assert taken == [ID], "it had to wait for the other's end"


async def _hold(held: Database, other: Database, taken: list[UUID]) -> None:
    """Lock the conversation and do nothing until somebody else has locked it."""
    async with held.write() as session:
        await runs.lock_conversation(session, user_id="ada", conversation_id=ID)
        async with other.write() as second:
            found = await runs.lock_conversation(second, user_id="ada", conversation_id=ID)
            taken.append(found.id)
