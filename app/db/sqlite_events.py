"""The events of all runs on SQLite: one row for each transaction, folded into pages of one run each later.

A row for each event changes a page of the file for each run at each commit, many times what one row for all costs.
"""

import sqlite3
import time
from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, final
from uuid import UUID

import orjson

from app.db.event_pages import in_order, journal_lines, pages_of, read_journal
from app.db.insist import insist
from app.db.run_events import NewEvents
from app.entry import Entry

BRIEF_S: Final = 0.25
"""How long events wait for writers outside of this process; they are tried again soon."""
FOLD_S: Final = 5.0
"""How long events stay in the journal before they become a page."""
FOLDS_AT_ONCE: Final = 4
"""Runs that are folded in one transaction, so that none of them takes long."""
# The status is written out: SQLite compiles a statement anew for each run of it where a value may decide about a
# partial index.
_JOURNAL: Final = (
    "INSERT INTO event_journal (id, lines) SELECT ?1, ?2 WHERE ?3 = (SELECT count(*) FROM json_each(?4) AS asked "
    "JOIN runs ON runs.id = asked.value ->> 0 WHERE runs.epoch = asked.value ->> 1 AND runs.status = 'running')"
)
"""Unless one of the runs is not in hand here any more. One statement, since a thread has to wait for its turn with
the interpreter after each."""
_IS_HELD: Final = "SELECT 1 FROM runs WHERE id = ? AND epoch = ? AND status = 'running'"
_FOLD: Final = (
    "INSERT INTO run_events (run_id, seq, type, data) SELECT ?1, ?2, ?3, ?4 "
    "WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND status = 'running') "
    "AND NOT EXISTS (SELECT 1 FROM run_events WHERE run_id = ?1 AND seq >= ?2)"
)
_FORGET: Final = "DELETE FROM event_journal WHERE id < ?"
Folded = Mapping[UUID, int]
"""The number up to which the events of a run are in pages."""
NOTHING_FOLDED: Final[Folded] = MappingProxyType({})


@dataclass(slots=True)
class _Unfolded:
    """Events of one run that only the journal has."""

    row: int
    """The first row that has one of them."""
    since: float
    entries: list[Entry] = field(default_factory=list[Entry])


@dataclass(frozen=True, slots=True)
class _Visit:
    """What one transaction does."""

    row: int
    """Of the journal."""
    held: Sequence[tuple[str, int]] = ()
    """The runs that have something in it, with the epoch in which they are in hand here."""
    lines: bytes = b""
    pages: Sequence[tuple[str, int, str, str]] = ()
    forget_before: int | None = None


@final
class SqliteEvents:
    """Writes events through a connection that it is given, each time in one visit to the connection's thread."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing to fold: see `recover`."""
        self._monotonic = monotonic
        self._unfolded: dict[UUID, _Unfolded] = {}
        self._row = 0

    @property
    def waits(self) -> bool:
        """Whether there is something to fold."""
        return bool(self._unfolded)

    async def append(self, driver: Any, events: Sequence[NewEvents]) -> tuple[frozenset[UUID], Folded]:  # noqa: ANN401 - an aiosqlite connection, which has no types for this
        """Do what `app.db.run_events.append_events` does, the transaction around it included; fold what is old.

        Gives the runs that took none, and what was folded.
        """
        refused: set[UUID] = set()
        left: Sequence[NewEvents] = events
        while left:
            folds = self._due()
            self._row += 1  # a new one for each try: what became of the last one may be unknown
            visit = _Visit(
                self._row,
                [(each.run_id.hex, each.epoch) for each in left],
                b"\n".join(line for each in left for line in journal_lines(each.run_id.hex, each.entries)),
                _page_rows(folds),
                self._first_row(besides=folds),
            )
            gone = await _in_thread(driver, visit)
            if not gone:
                folded = self._done(folds)
                self._keep(visit.row, left)
                return frozenset(refused), folded
            refused |= gone
            left = _besides(left, gone)
        return frozenset(refused), NOTHING_FOLDED

    async def fold(self, driver: Any, *, everything: bool = False) -> Folded:  # noqa: ANN401 - see append
        """Fold what is old, or everything; gives what was folded."""
        folds = dict(self._unfolded) if everything else self._due()
        if folds:
            self._row += 1
            visit = _Visit(self._row, pages=_page_rows(folds), forget_before=self._first_row(besides=folds))
            await _in_thread(driver, visit)
        return self._done(folds)

    async def recover(self, driver: Any) -> int:  # noqa: ANN401 - see append
        """Fold what the last process has left in the journal, and give the number of those events; for the start."""
        return await driver._execute(_recover, driver._conn)  # noqa: SLF001 - see `_in_thread`

    def _keep(self, row: int, events: Iterable[NewEvents]) -> None:
        now = self._monotonic()
        for each in events:
            unfolded = self._unfolded.get(each.run_id)
            if unfolded is None:
                unfolded = self._unfolded[each.run_id] = _Unfolded(row, now)
            unfolded.entries.extend(each.entries)

    def _due(self) -> dict[UUID, _Unfolded]:
        """Give the runs whose events have been in the journal for the longest: the first ones."""
        due: dict[UUID, _Unfolded] = {}
        old = self._monotonic() - FOLD_S
        for run_id, unfolded in self._unfolded.items():
            if unfolded.since > old or len(due) >= FOLDS_AT_ONCE:
                break
            due[run_id] = unfolded
        return due

    def _first_row(self, *, besides: Mapping[UUID, _Unfolded]) -> int | None:
        """Give the first row of the journal that is still needed once `besides` are folded; None to leave all."""
        if not besides:
            return None
        return next((each.row for run_id, each in self._unfolded.items() if run_id not in besides), self._row)

    def _done(self, folds: Mapping[UUID, _Unfolded]) -> Folded:
        for run_id in folds:
            del self._unfolded[run_id]
        return {run_id: unfolded.entries[-1].seq for run_id, unfolded in folds.items()}


def _page_rows(folds: Mapping[UUID, _Unfolded]) -> list[tuple[str, int, str, str]]:
    return [
        (run_id.hex, page.seq, page.type, page.data.decode())
        for run_id, unfolded in folds.items()
        for page in pages_of(unfolded.entries)
    ]


def _besides(events: Iterable[NewEvents], runs: Container[UUID]) -> list[NewEvents]:
    return [each for each in events if each.run_id not in runs]


async def _in_thread(driver: Any, visit: _Visit) -> set[UUID]:  # noqa: ANN401 - see append
    gone = await driver._execute(_write, driver._conn, visit)  # noqa: SLF001 - as SQLAlchemy's own does
    return {UUID(hex=run_id) for run_id in gone}


def _write(connection: sqlite3.Connection, visit: _Visit) -> set[str]:
    """Do it all or, where a run is not in hand here any more, nothing, and give those runs."""
    if not visit.pages:
        return _write_lines(connection, visit)  # a transaction by itself
    with _transaction(connection):
        gone = _write_lines(connection, visit) if visit.lines else set[str]()
        if not gone:
            for page in visit.pages:
                connection.execute(_FOLD, page)
            if visit.forget_before is not None:
                connection.execute(_FORGET, (visit.forget_before,))
    return gone


def _write_lines(connection: sqlite3.Connection, visit: _Visit) -> set[str]:
    held = orjson.dumps(visit.held).decode()
    values = (visit.row, visit.lines, len(visit.held), held)
    if insist(partial(connection.execute, _JOURNAL, values), BRIEF_S).rowcount:
        return set()
    return _not_held(connection, visit.held)


def _not_held(connection: sqlite3.Connection, runs: Iterable[tuple[str, int]]) -> set[str]:
    return {run[0] for run in runs if connection.execute(_IS_HELD, run).fetchone() is None}


def _recover(connection: sqlite3.Connection) -> int:
    found: dict[str, list[Entry]] = {}
    with _transaction(connection):
        for (lines,) in connection.execute("SELECT lines FROM event_journal ORDER BY id"):
            for run_id, entry in read_journal(lines):
                found.setdefault(run_id, []).append(entry)
        for run_id, entries in found.items():
            last = connection.execute("SELECT coalesce(max(seq), 0) FROM run_events WHERE run_id = ?", (run_id,))
            for page in pages_of(list(in_order(entries, after=last.fetchone()[0]))):
                connection.execute(_FOLD, (run_id, page.seq, page.type, page.data.decode()))
        connection.execute("DELETE FROM event_journal")
    return sum(map(len, found.values()))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    insist(partial(connection.execute, "BEGIN IMMEDIATE"), BRIEF_S)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
