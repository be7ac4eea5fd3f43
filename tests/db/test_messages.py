import pytest
from sqlalchemy.exc import InvalidRequestError

from app.db.conversations import get_conversation
from app.db.messages import list_messages
from app.db.session import Database
from tests.db.rows import begin, finish, new_conversation


async def test_messages_come_in_the_order_they_were_written(database: Database) -> None:
    conversation_id = await new_conversation(database)
    for text in ("one", "two", "three"):
        begun = await begin(database, conversation_id, text=text)
        await finish(database, begun.run_id, content=text.upper())

    async with database.read() as session:
        rows = await list_messages(session, user_id="ann", conversation_id=conversation_id)

    assert [(row.seq, row.role, row.content) for row in rows] == [
        (1, "user", "one"),
        (2, "assistant", "ONE"),
        (3, "user", "two"),
        (4, "assistant", "TWO"),
        (5, "user", "three"),
        (6, "assistant", "THREE"),
    ]


async def test_foreign_messages_are_not_given(database: Database) -> None:
    conversation_id = await new_conversation(database)
    await begin(database, conversation_id)

    async with database.read() as session:
        assert await list_messages(session, user_id="bob", conversation_id=conversation_id) == []


async def test_a_relationship_is_never_loaded_unasked(database: Database) -> None:
    conversation_id = await new_conversation(database)

    async with database.read() as session:
        conversation = await get_conversation(session, user_id="ann", conversation_id=conversation_id)
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = conversation.messages
