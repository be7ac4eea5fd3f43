import asyncio

import pytest
from sqlalchemy import func, select

from app.db.models import SystemPrompt
from app.db.prompts import delete_prompt, find_prompt, put_prompt
from app.db.session import Database
from app.errors import InvalidInput
from tests.db.rows import NOON, later


async def put(database: Database, text: str, minutes: int = 0) -> None:
    async with database.write() as session:
        await put_prompt(session, text=text, now=later(minutes))


async def found(database: Database) -> str | None:
    async with database.read() as session:
        return await find_prompt(session)


async def delete(database: Database) -> None:
    async with database.write() as session:
        await delete_prompt(session)


async def test_there_is_none_until_one_is_put(database: Database) -> None:
    assert await found(database) is None

    await put(database, "Plan {trips}.\n\n## Rules 🌍")

    assert await found(database) == "Plan {trips}.\n\n## Rules 🌍"


async def test_the_next_one_takes_its_place(database: Database) -> None:
    await put(database, "first")
    await put(database, "second", 5)

    async with database.read() as session:
        (row,) = (await session.scalars(select(SystemPrompt))).all()
    assert (row.text, row.updated_at) == ("second", later(5))
    assert row.updated_at != NOON


async def test_a_session_sees_what_it_has_put(database: Database) -> None:
    async with database.write() as session:
        for text in ("first", "second"):
            await put_prompt(session, text=text, now=NOON)
            assert await find_prompt(session) == text


async def test_first_prompts_that_arrive_at_once_leave_one(database: Database) -> None:
    await asyncio.gather(*(put(database, f"text {number}") for number in range(10)))

    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(SystemPrompt)) == 1
    assert (await found(database) or "").startswith("text ")


@pytest.mark.parametrize("text", ["", " \n\t"])
async def test_a_blank_one_counts_as_none(database: Database, text: str) -> None:
    await put(database, text)

    assert await found(database) is None


async def test_delete_may_be_repeated(database: Database) -> None:
    await put(database, "text")

    for _ in range(2):
        await delete(database)
        assert await found(database) is None


async def test_a_failed_put_leaves_the_one_before(database: Database) -> None:
    await put(database, "first")

    with pytest.raises(InvalidInput):
        await put(database, "half \ud83d")

    assert await found(database) == "first"
