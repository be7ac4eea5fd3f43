"""Queries about AI settings: what each user prefers to talk to, at most one row for each."""

from datetime import datetime
from typing import Final, TypedDict
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.direct import direct
from app.db.models import AiSettings
from app.db.upsert import upsert
from app.errors import NotFound


class AiSettingsChange(TypedDict, total=False):
    """What becomes of the columns that a user writes; one that is left out stays as it is."""

    preferred_provider: str | None
    preferred_model: str | None
    fallbacks: list[dict[str, str | None]] | None


_MINE: Final = direct(select(AiSettings).where(AiSettings.user_id == bindparam("p_user")))


async def find_ai_settings(session: AsyncSession, *, user_id: str) -> AiSettings | None:
    """Give the user's settings, if there are any."""
    return await session.scalar(_MINE, {"p_user": user_id})


async def get_ai_settings(session: AsyncSession, *, user_id: str, settings_id: UUID) -> AiSettings:
    """Give the user's settings by their id; raises `NotFound`."""
    mine = select(AiSettings).where(AiSettings.id == settings_id, AiSettings.user_id == user_id)
    stored = await session.scalar(mine)
    if stored is None:
        raise NotFound
    return stored


async def put_ai_settings(
    session: AsyncSession, *, user_id: str, new_id: UUID, change: AiSettingsChange, now: datetime
) -> AiSettings:
    """Store the user's settings; a row that exists is changed and keeps its id and its `created_at`.

    One statement, so that two first requests at once make one row, which has what each of them gave.
    """
    new = upsert(session, AiSettings).values(id=new_id, user_id=user_id, created_at=now, updated_at=now, **change)
    put = new.on_conflict_do_update(index_elements=[AiSettings.user_id], set_={"updated_at": now, **change})
    stored = await session.scalars(put.returning(AiSettings), execution_options={"populate_existing": True})
    return stored.one()


async def update_ai_settings(
    session: AsyncSession, *, user_id: str, settings_id: UUID, change: AiSettingsChange, now: datetime
) -> AiSettings:
    """Change the user's settings by their id; raises `NotFound`."""
    changed = (
        update(AiSettings)
        .where(AiSettings.id == settings_id, AiSettings.user_id == user_id)
        .values(updated_at=now, **change)
        .returning(AiSettings)
    )
    stored = await session.scalar(changed, execution_options={"populate_existing": True})
    if stored is None:
        raise NotFound
    return stored


async def delete_ai_settings(session: AsyncSession, *, user_id: str, settings_id: UUID) -> None:
    """Remove the user's settings by their id; raises `NotFound`."""
    mine = delete(AiSettings).where(AiSettings.id == settings_id, AiSettings.user_id == user_id)
    if await session.scalar(mine.returning(AiSettings.id)) is None:
        raise NotFound
