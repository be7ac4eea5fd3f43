"""A run that waits for its turn is begun once, by the process that has it in hand."""

import pytest

from app.db import runs
from app.db.session import Database
from app.errors import NotFound
from tests.db.rows import begin, finish, later, new_conversation


async def test_a_waiting_run_is_begun_in_its_turn_by_its_process_alone_however_often_it_asks(
    database: Database,
) -> None:
    conversation = await new_conversation(database)
    first = await begin(database, conversation)
    waiting = await begin(database, conversation, owner="here", queue=True)

    async def claim(owner: str = "here") -> bool:
        names = {"user_id": "ann", "owner": owner}
        async with database.write() as session:
            return await runs.claim_run(session, waiting.run_id, conversation_id=conversation, **names)

    assert not await claim()
    await finish(database, first.run_id)
    with pytest.raises(NotFound):
        await claim("elsewhere")
    assert [await claim(), await claim()] == [True, True]
    await finish(database, waiting.run_id, now=later(2))
    with pytest.raises(NotFound):
        await claim()
