from uuid import UUID

import pytest

from app.db.messages import list_messages, list_newest_messages
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


async def newest(database: Database, conversation_id: UUID, messages: int, chars: int, user_id: str = "ann") -> str:
    async with database.read() as session:
        rows = await list_newest_messages(
            session, user_id=user_id, conversation_id=conversation_id, leaf=99, max_messages=messages, max_chars=chars
        )
    return " ".join(row.content for row in rows)


@pytest.mark.parametrize(
    ("messages", "chars", "given"),
    [
        (9, 99, "one ONE two TWO 😀😀😀 THREE"),
        (5, 99, "two TWO 😀😀😀 THREE"),
        (4, 99, "two TWO 😀😀😀 THREE"),
        (3, 99, "😀😀😀 THREE"),
        (9, 28, "one ONE two TWO 😀😀😀 THREE"),
        (9, 27, "two TWO 😀😀😀 THREE"),
        (9, 22, "two TWO 😀😀😀 THREE"),
        (9, 21, "😀😀😀 THREE"),
        (9, 1, "😀😀😀 THREE"),
    ],
)
async def test_the_newest_messages_are_whole_turns(database: Database, messages: int, chars: int, given: str) -> None:
    conversation_id = await new_conversation(database)
    for text, answer, calls in (("one", "ONE", None), ("two", "TWO", None), ("😀😀😀", "THREE", ["abcd"])):
        begun = await begin(database, conversation_id, text=text)
        await finish(database, begun.run_id, content=answer, tool_calls=calls)

    assert await newest(database, conversation_id, messages, chars) == given
    assert await newest(database, conversation_id, messages, chars, user_id="bob") == ""
