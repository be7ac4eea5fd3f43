"""Queries about the model calls of a run."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Run
from app.events import RunStatus


async def note_attempts(
    session: AsyncSession, run_id: UUID, attempts: Sequence[dict[str, Any]], *, epoch: int, by: tuple[str, str]
) -> None:
    """Note the model calls made so far and the one about to be made, and which provider and model that is `by`."""
    provider, model = by
    await session.execute(
        update(Run)
        .where(Run.id == run_id, Run.epoch == epoch, Run.status == RunStatus.RUNNING.value)
        .values(attempts=list(attempts), provider=provider, model=model),
        execution_options={"synchronize_session": False},
    )
