"""Queries about the operator's system prompt; there is one for everybody, or none."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.direct import direct
from app.db.models import SystemPrompt
from app.db.upsert import upsert

MAX_CHARS: Final = 50_000
"""What the operator's words may take; a longer text is refused, and one that is there all the same is cut."""
_ONLY: Final = 1
_TEXT: Final = direct(select(SystemPrompt.text).where(SystemPrompt.id == _ONLY))


async def find_prompt(session: AsyncSession) -> str | None:
    """Give the operator's text; None where there is none, or a blank one, which counts as none."""
    text = await session.scalar(_TEXT)
    return text if text and text.strip() else None


async def put_prompt(session: AsyncSession, *, text: str, now: datetime) -> None:
    """Store the operator's text in place of the one before."""
    new = upsert(session, SystemPrompt).values(id=_ONLY, text=text, updated_at=now)
    await session.execute(
        new.on_conflict_do_update(index_elements=[SystemPrompt.id], set_={"text": text, "updated_at": now})
    )


async def delete_prompt(session: AsyncSession) -> None:
    """Remove the operator's text, if there is one."""
    await session.execute(delete(SystemPrompt).where(SystemPrompt.id == _ONLY))
