"""What a diagnosis has found out about a stored key, kept beside it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Credential


async def put_key_report(
    session: AsyncSession, *, credential_id: UUID, was: str, report: dict[str, Any], now: datetime
) -> bool:
    """Keep `report` if the sealed text is still `was`; gives False where the key was changed or deleted meanwhile.

    Not a user's change: `updated_at` stays.
    """
    kept = (
        update(Credential)
        .where(Credential.id == credential_id, Credential.sealed == was)
        .values(report=report, reported_at=now)
        .returning(Credential.id)
        .execution_options(synchronize_session=False)
    )
    return await session.scalar(kept) is not None
