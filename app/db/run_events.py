"""Queries about the events of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Integer, String, Text, Uuid, bindparam, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.db.models import Run, RunEvent
from app.entry import Entry
from app.events import RunStatus


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event on its way into the database."""

    run_id: UUID
    epoch: int
    """The one in which the run is in hand here; a run that has another one by now takes nothing."""
    entry: Entry

    def row(self) -> dict[str, Any]:
        """Give the values of its statement."""
        entry = self.entry
        data = entry.data.decode()
        return {"p_run": self.run_id, "p_epoch": self.epoch, "p_seq": entry.seq, "p_type": entry.type, "p_data": data}


async def append_events(connection: AsyncConnection, events: Sequence[NewEvent]) -> frozenset[UUID]:
    """Store events of runs that are running in the epoch they name, and give the runs that took none.

    An event that is stored already is left as it is, so that a try whose outcome is unknown can be repeated. The runs
    are locked in the order of their ids, until the transaction ends: nobody else ends one meanwhile.
    """
    ordered = sorted(events, key=lambda event: (event.run_id.int, event.entry.seq))
    dialect = connection.dialect.name
    done = await connection.execute(_APPEND[dialect], [event.row() for event in ordered])
    if done.rowcount == len(ordered):
        return frozenset()
    epochs: Mapping[UUID, int] = {event.run_id: event.epoch for event in ordered}
    running = select(Run.id, Run.epoch).where(Run.id.in_(epochs), Run.status == RunStatus.RUNNING.value)
    held = {row.id for row in await connection.execute(running) if row.epoch == epochs[row.id]}
    return frozenset(epochs) - held


def _append(dialect: Any) -> Any:  # noqa: ANN401 - the two dialects' modules and their statements have no common type
    values = (
        bindparam("p_run", type_=Uuid()),
        bindparam("p_seq", type_=Integer()),
        bindparam("p_type", type_=String()),
        bindparam("p_data", type_=Text()),
    )
    held = (Run.id == bindparam("p_run"), Run.epoch == bindparam("p_epoch"), Run.status == RunStatus.RUNNING.value)
    columns = [RunEvent.run_id, RunEvent.seq, RunEvent.type, RunEvent.data]
    # FOR SHARE waits for whoever is ending the run, and then sees that it is over.
    source = select(*values).select_from(Run).where(*held).with_for_update(read=True, of=Run)
    return dialect.insert(RunEvent).from_select(columns, source, include_defaults=False).on_conflict_do_nothing()


_APPEND: Final[Mapping[str, Any]] = MappingProxyType({"postgresql": _append(postgresql), "sqlite": _append(sqlite)})


_ADD: Final = insert(RunEvent.__table__)  # pyright: ignore[reportArgumentType]  # typed as any clause


async def add_event(session: AsyncSession, run_id: UUID, entry: Entry) -> None:
    """Store one event in the transaction that makes it true."""
    values = {"run_id": run_id, "seq": entry.seq, "type": entry.type, "data": entry.data.decode()}
    await session.execute(_ADD, values)


async def read_events(session: AsyncSession, *, run_id: UUID, after: int, limit: int) -> tuple[Entry, ...]:
    """Give up to `limit` events of a run after number `after`, in order; the caller has checked whose run it is."""
    events = select(RunEvent.seq, RunEvent.type, RunEvent.data)
    events = events.where(RunEvent.run_id == run_id, RunEvent.seq > after).order_by(RunEvent.seq).limit(limit)
    return tuple(Entry(row.seq, row.type, row.data.encode()) for row in await session.execute(events))


async def last_event_seq(session: AsyncSession, *, run_id: UUID) -> int:
    """Give the number of a run's newest event, 0 where there is none."""
    newest = select(func.coalesce(func.max(RunEvent.seq), 0)).where(RunEvent.run_id == run_id)
    return await session.scalar(newest) or 0


async def trim_events(session: AsyncSession, *, ended_before: datetime, limit: int) -> int:
    """Remove the events of up to `limit` runs that ended before a time, and give the number of those runs."""
    kept = select(RunEvent.run_id).where(RunEvent.run_id == Run.id).exists()
    old = select(Run.id).where(Run.finished_at < ended_before, kept).limit(limit)
    ids = (await session.scalars(old)).all()
    if ids:
        await session.execute(delete(RunEvent).where(RunEvent.run_id.in_(ids)))
    return len(ids)
