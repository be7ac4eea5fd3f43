import asyncio
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from app.db.ai_settings import (
    AiSettingsChange,
    delete_ai_settings,
    find_ai_settings,
    get_ai_settings,
    put_ai_settings,
    update_ai_settings,
)
from app.db.models import AiSettings
from app.db.session import Database
from app.errors import NotFound
from tests.db.rows import NOON, later

GROQ = AiSettingsChange(preferred_provider="groq", preferred_model="compound")


async def put(
    database: Database, change: AiSettingsChange = GROQ, *, user_id: str = "ann", now: datetime = NOON
) -> AiSettings:
    async with database.write() as session:
        return await put_ai_settings(session, user_id=user_id, new_id=uuid4(), change=change, now=now)


async def found(database: Database, user_id: str = "ann") -> AiSettings | None:
    async with database.read() as session:
        return await find_ai_settings(session, user_id=user_id)


def said(row: AiSettings | None) -> tuple[str | None, str | None]:
    assert row is not None
    return row.preferred_provider, row.preferred_model


async def test_put_stores_what_it_is_given(database: Database) -> None:
    assert await found(database) is None

    row = await put(database)

    assert (said(row), row.created_at, row.updated_at) == (("groq", "compound"), NOON, NOON)
    assert said(await found(database)) == ("groq", "compound")


async def test_nothing_at_all_can_be_stored(database: Database) -> None:
    assert said(await put(database, {})) == (None, None)


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (AiSettingsChange(), ("groq", "compound")),
        (AiSettingsChange(preferred_provider="openai"), ("openai", "compound")),
        (AiSettingsChange(preferred_model=None), ("groq", None)),
        (AiSettingsChange(preferred_model=""), ("groq", "")),
        (AiSettingsChange(preferred_provider=None, preferred_model="gpt-6-luna"), (None, "gpt-6-luna")),
    ],
)
async def test_put_again_and_update_change_only_what_is_given(
    database: Database, change: AiSettingsChange, after: tuple[str | None, str | None]
) -> None:
    first = await put(database)

    again = await put(database, change, now=later(1))

    assert (again.id, again.created_at, again.updated_at, said(again)) == (first.id, NOON, later(1), after)
    assert said(await found(database)) == after

    await put(database)
    async with database.write() as session:
        updated = await update_ai_settings(session, user_id="ann", settings_id=first.id, change=change, now=later(2))
    assert (updated.id, updated.created_at, updated.updated_at, said(updated)) == (first.id, NOON, later(2), after)
    assert said(await found(database)) == after


async def test_one_session_sees_each_of_its_changes(database: Database) -> None:
    async with database.write() as session:
        row = await put_ai_settings(session, user_id="ann", new_id=uuid4(), change=GROQ, now=NOON)
        again = await put_ai_settings(session, user_id="ann", new_id=uuid4(), change={"preferred_model": "x"}, now=NOON)
        assert said(again) == ("groq", "x")
        updated = await update_ai_settings(
            session, user_id="ann", settings_id=row.id, change={"preferred_model": "y"}, now=later(1)
        )
        assert said(updated) == ("groq", "y")


async def test_first_settings_that_arrive_at_once_make_one_row_with_all_of_them(database: Database) -> None:
    changes = [AiSettingsChange(preferred_provider="groq"), AiSettingsChange(preferred_model="compound")] * 10

    rows = await asyncio.gather(*(put(database, change) for change in changes))

    assert len({row.id for row in rows}) == 1
    assert said(await found(database)) == ("groq", "compound")


async def test_everybody_has_their_own(database: Database) -> None:
    await put(database)
    await put(database, {"preferred_provider": "openai"}, user_id="bob")

    assert said(await found(database)) == ("groq", "compound")
    assert said(await found(database, "bob")) == ("openai", None)


async def test_foreign_settings_are_absent(database: Database) -> None:
    row = await put(database)

    async def refused(user_id: str, settings_id: UUID) -> None:
        async with database.write() as session:
            with pytest.raises(NotFound):
                await get_ai_settings(session, user_id=user_id, settings_id=settings_id)
            with pytest.raises(NotFound):
                await update_ai_settings(session, user_id=user_id, settings_id=settings_id, change={}, now=later(1))
            with pytest.raises(NotFound):
                await delete_ai_settings(session, user_id=user_id, settings_id=settings_id)

    await refused("bob", row.id)
    await refused("ann", uuid4())
    async with database.read() as session:
        mine = await get_ai_settings(session, user_id="ann", settings_id=row.id)
    assert (said(mine), mine.updated_at) == (("groq", "compound"), NOON)


async def test_delete(database: Database) -> None:
    row = await put(database)

    async with database.write() as session:
        await delete_ai_settings(session, user_id="ann", settings_id=row.id)

    assert await found(database) is None
    assert (await put(database)).id != row.id


async def test_fallbacks_are_kept_as_they_were_given(database: Database) -> None:
    listed: list[dict[str, str | None]] = [{"provider": "groq", "model": None}, {"provider": "openai", "model": "m"}]
    await put(database, AiSettingsChange(fallbacks=listed))
    await put(database, AiSettingsChange(preferred_model="m"))
    kept = await found(database)
    await put(database, AiSettingsChange(fallbacks=None))
    without = await found(database)

    assert kept is not None
    assert without is not None
    assert (kept.fallbacks, without.fallbacks) == (listed, None)
