"""The query for active runs that no process has in hand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, not_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Replica, Run
from app.db.tool_rounds import waits_for_caller
from app.events import RunStatus

_ACTIVE: Final = (RunStatus.QUEUED.value, RunStatus.RUNNING.value)


async def is_nobodys(session: AsyncSession, run: Run, *, besides: str) -> bool:
    """Tell whether an active run's process is gone; a run of `besides` is in hand, whatever it says itself."""
    if run.status not in _ACTIVE or run.owner is None or run.owner == besides:
        return False
    return await session.scalar(select(Replica.id).where(Replica.id == run.owner)) is None


async def abandoned_runs(
    session: AsyncSession, *, besides: str, ownerless_before: datetime | None, waiting_since: datetime, limit: int
) -> Sequence[Run]:
    """Give active runs that nobody has in hand: their process is not among the replicas, nor is it `besides`.

    One that waits for its caller's tools is none, unless it began to before `waiting_since`.
    Those of the version before, which named none, count once they began before `ownerless_before`; all, with None.
    """
    old: ColumnElement[bool] = true() if ownerless_before is None else Run.created_at < ownerless_before
    ownerless = and_(Run.owner.is_(None), old)
    # In one statement: a process that is new since a list of them was made has runs that are not abandoned.
    dead = and_(Run.owner != besides, Run.owner.not_in(select(Replica.id)))
    mine = select(Run).where(Run.status.in_(_ACTIVE), or_(dead, ownerless), not_(waits_for_caller(waiting_since)))
    return (await session.scalars(mine.limit(limit))).all()
