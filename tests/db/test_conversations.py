from datetime import timedelta, timezone
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import StatementError

from app.db.conversations import (
    create_conversation,
    delete_conversation,
    get_conversation,
    list_conversations,
    rename_conversation,
)
from app.db.models import Message, Run
from app.db.session import Database
from app.errors import InvalidInput, NotFound
from tests.db.rows import NOON, begin, later, new_conversation


async def test_create_and_get(database: Database) -> None:
    conversation_id = await new_conversation(database, title="Lisbon ☀")

    async with database.read() as session:
        found = await get_conversation(session, user_id="ann", conversation_id=conversation_id)

    assert (found.title, found.user_id, found.next_seq) == ("Lisbon ☀", "ann", 1)
    assert found.created_at == found.updated_at == NOON
    assert found.created_at.utcoffset() is not None


async def test_list_gives_the_newest_change_first_and_only_ones_own(database: Database) -> None:
    old = await new_conversation(database, now=later(1))
    new = await new_conversation(database, now=later(2))
    await new_conversation(database, user_id="bob")
    async with database.write() as session:
        await rename_conversation(session, user_id="ann", conversation_id=old, title="x", now=later(3))

    async with database.read() as session:
        rows = await list_conversations(session, user_id="ann")

    assert [row.id for row in rows] == [old, new]


async def test_rename_gives_the_changed_row(database: Database) -> None:
    conversation_id = await new_conversation(database)

    async with database.write() as session:
        before = await get_conversation(session, user_id="ann", conversation_id=conversation_id)
        renamed = await rename_conversation(
            session, user_id="ann", conversation_id=conversation_id, title="Porto", now=later(5)
        )

    assert renamed is before
    assert (renamed.title, renamed.updated_at, renamed.created_at) == ("Porto", later(5), NOON)


async def test_without_a_title_the_one_that_another_request_sets_meanwhile_stays(postgres_url: str) -> None:
    first, second = Database.open(postgres_url), Database.open(postgres_url)
    id_ = await new_conversation(first, title="Lisbon")

    async with first.write() as session:
        before = await get_conversation(session, user_id="ann", conversation_id=id_)
        async with second.write() as other:
            await rename_conversation(other, user_id="ann", conversation_id=id_, title="Porto", now=later(1))
        moved = await rename_conversation(session, user_id="ann", conversation_id=id_, title=None, now=later(2))

        assert before is moved
        assert (moved.title, moved.updated_at) == ("Porto", later(2))
    for database in (first, second):
        await database.close()


@pytest.mark.parametrize("user_id", ["bob", "ANN", "", "ann'--", "%"])
async def test_a_foreign_conversation_is_as_absent_as_an_unknown_one(database: Database, user_id: str) -> None:
    conversation_id = await new_conversation(database, title="private")
    for wanted in (conversation_id, uuid4()):
        who = user_id if wanted == conversation_id else "ann"
        async with database.write() as session:
            with pytest.raises(NotFound):
                await get_conversation(session, user_id=who, conversation_id=wanted)
            with pytest.raises(NotFound):
                await rename_conversation(session, user_id=who, conversation_id=wanted, title="mine", now=NOON)
            with pytest.raises(NotFound):
                await delete_conversation(session, user_id=who, conversation_id=wanted)

    async with database.read() as session:
        assert (await get_conversation(session, user_id="ann", conversation_id=conversation_id)).title == "private"


async def test_delete_takes_messages_and_runs_along(database: Database) -> None:
    kept, gone = await new_conversation(database), await new_conversation(database)
    await begin(database, kept)
    await begin(database, gone)

    async with database.write() as session:
        await delete_conversation(session, user_id="ann", conversation_id=gone)

    async with database.read() as session:
        assert set(await session.scalars(select(Message.conversation_id))) == {kept}
        assert set(await session.scalars(select(Run.conversation_id))) == {kept}
        assert await session.scalar(select(func.count()).select_from(Message)) == 2


async def test_text_that_cannot_be_stored_is_the_callers_error(database: Database, database_url: str) -> None:
    if database_url.startswith("postgresql"):
        with pytest.raises(InvalidInput):
            await new_conversation(database, title="a\x00b")
    with pytest.raises(InvalidInput):
        await new_conversation(database, title="\ud800")


async def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="time zone"):
        await new_conversation(database, now=NOON.replace(tzinfo=None))


async def test_times_come_back_in_utc_whatever_zone_they_had(database: Database) -> None:
    conversation_id = uuid4()
    local = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    async with database.write() as session:
        await create_conversation(session, user_id="ann", conversation_id=conversation_id, title="", now=local)

    async with database.read() as session:
        found = await get_conversation(session, user_id="ann", conversation_id=conversation_id)
    assert (found.created_at, found.created_at.utcoffset()) == (NOON, timedelta(0))
