"""Queries about the events of runs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, Integer, Row, String, Text, Uuid, bindparam, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.db.direct import direct
from app.db.event_pages import PAGE, entries_of, in_order, pages_of, read_journal
from app.db.models import EventJournal, Run, RunEvent
from app.db.upsert import insert_into
from app.entry import Entry
from app.events import RunStatus

_PAGES_AT_ONCE: Final = 4
"""Each may be as large as a whole batch of a reader."""


@dataclass(frozen=True, slots=True)
class NewEvents:
    """Events of one run on their way into the database."""

    run_id: UUID
    epoch: int
    """The one in which the run is in hand here; a run that has another one by now takes nothing."""
    entries: Sequence[Entry]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give the values of their statements."""
        for entry in self.entries:
            data = entry.data.decode()
            yield {
                "p_run": self.run_id,
                "p_epoch": self.epoch,
                "p_seq": entry.seq,
                "p_type": entry.type,
                "p_data": data,
            }


async def append_events(connection: AsyncConnection, events: Sequence[NewEvents]) -> frozenset[UUID]:
    """Store events of runs that are running in the epoch they name, and give the runs that took none.

    An event that is stored already is left as it is, so that a try whose outcome is unknown can be repeated. The runs
    are locked in the order of their ids, until the transaction ends: nobody else ends one meanwhile.
    """
    ordered = sorted(events, key=lambda each: each.run_id.int)
    rows = [row for each in ordered for row in each.rows()]
    done = await connection.execute(_append(connection.dialect.name), rows)
    if done.rowcount == len(rows):
        return frozenset()
    epochs: Mapping[UUID, int] = {each.run_id: each.epoch for each in ordered}
    running = select(Run.id, Run.epoch).where(Run.id.in_(epochs), Run.status == RunStatus.RUNNING.value)
    held = {row.id for row in await connection.execute(running) if row.epoch == epochs[row.id]}
    return frozenset(epochs) - held


@cache
def _append(dialect: str) -> Executable:
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
    new = insert_into(RunEvent, dialect)
    return new.from_select(columns, source, include_defaults=False).on_conflict_do_nothing()


_ADD: Final = direct(insert(RunEvent.__table__))  # pyright: ignore[reportArgumentType]  # typed as any clause


@cache
def _add_new(dialect: str) -> Executable:
    """A page may be there already: see `app.db.sqlite_events`."""
    return direct(insert_into(RunEvent, dialect).on_conflict_do_nothing())


async def add_event(session: AsyncSession, run_id: UUID, entry: Entry) -> None:
    """Store one event in the transaction that makes it true."""
    values = {"run_id": run_id, "seq": entry.seq, "type": entry.type, "data": entry.data.decode()}
    await session.execute(_ADD, values)


async def add_events(session: AsyncSession, run_id: UUID, entries: Sequence[Entry]) -> None:
    """Store the last events of a run; the very last one is a row of its own."""
    pages = [*pages_of(entries[:-1]), *entries[-1:]]
    rows = [{"run_id": run_id, "seq": page.seq, "type": page.type, "data": page.data.decode()} for page in pages]
    if rows:
        await session.execute(_add_new(session.get_bind().dialect.name), rows)


async def read_events(session: AsyncSession, *, run_id: UUID, after: int, limit: int) -> tuple[Entry, ...]:
    """Give up to `limit` events of a run after number `after`, in order; the caller has checked whose run it is."""
    events = select(RunEvent.seq, RunEvent.type, RunEvent.data)
    events = events.where(RunEvent.run_id == run_id, RunEvent.seq > after).order_by(RunEvent.seq)
    if session.get_bind().dialect.name == "sqlite":
        found: list[Entry] = []
        few = min(limit, _PAGES_AT_ONCE)
        while len(found) < limit:
            rows = (await session.execute(events.where(RunEvent.seq > after).limit(few))).all()
            found += _after(rows, after)
            if len(rows) < few or not found:
                return tuple(found[:limit])
            if rows[-1].type != PAGE:
                few = limit  # single events, of which there may be many
            after = rows[-1].seq
        return tuple(found[:limit])
    rows = (await session.execute(events.limit(limit))).all()
    return tuple(_after(rows, after))


def _after(rows: Iterable[Row[int, str, str]], after: int) -> Iterator[Entry]:
    entries = (entry for row in rows for entry in entries_of(row.seq, row.type, row.data.encode()))
    return in_order(entries, after=after)


async def unfolded_events(session: AsyncSession, *, run_id: UUID, after: int) -> Sequence[Entry]:
    """Give the events of a run after number `after` that only SQLite's journal has; for a run that nobody writes."""
    if session.get_bind().dialect.name != "sqlite":
        return ()
    rows = await session.scalars(select(EventJournal.lines).order_by(EventJournal.id))
    entries = (entry for lines in rows for _, entry in read_journal(lines, run_id=run_id.hex))
    return list(in_order(entries, after=after))


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
