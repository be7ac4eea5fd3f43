"""The one writer of events: what all runs have pending is stored in one transaction, and only then shown."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final, Protocol, final
from uuid import UUID

import structlog

from app.db.run_events import NewEvent
from app.entry import Entry
from app.errors import StorageUnavailable
from app.runs.journal import Journal
from app.runs.spill import Spill

TRANSACTION_EVENTS: Final = 2_000
SLOW_S: Final = 1.0
"""How long readers wait for the database before they are shown what only the spill file has."""
BUSY_EVENTS: Final = 5
"""So many at once come from many runs: then transactions follow one another at `BREATH_S`, so that each has more."""
BREATH_S: Final = 0.003
"""Short beside the pace at which a person reads, long beside a transaction; with little to do nobody waits for it."""
PAUSE_S: Final = 0.1
"""Between two tries to store."""
MAX_BACKLOG_BYTES: Final = 64_000_000
"""What may wait in memory, and in the spill file, for the database; then the runs wait."""
_log: Final = structlog.stdlib.get_logger(__name__)


class Store(Protocol):
    """What `app.db.event_store` does."""

    async def append(self, events: Sequence[NewEvent]) -> frozenset[UUID]:
        """Store events and give the runs that took none; raises `StorageUnavailable`."""
        ...

    async def close(self) -> None:
        """Give up what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An entry that is numbered and not in the database yet."""

    journal: Journal
    entry: Entry

    def new(self) -> NewEvent:
        return NewEvent(self.journal.run_id, self.journal.epoch, self.entry)


@final
class EventLog:
    """Owns the writer's task between `open` and `close`.

    The next transaction begins as soon as the last one is over: no delay while there is little to do, larger
    transactions and longer texts in one event while there is much. While the database is away for longer than
    `SLOW_S`, events go into the spill file and are shown with `durable: false`; it has them all before the end of
    their run is stored.
    """

    def __init__(self, store: Store, spill: Spill, *, tell: Callable[[UUID], None] = lambda _: None) -> None:
        """Take the store, the place for bad times, and whom to tell of runs that have new events."""
        self._store = store
        self._spill = spill
        self._tell = tell
        self._marked: dict[Journal, None] = {}
        self._in_hand = False
        self._work = asyncio.Event()
        self._backlog: deque[_Waiting] = deque()
        self._backlog_bytes = 0
        self._file = asyncio.Lock()
        """The spill file and the backlog have the same events whenever nobody holds this."""
        self._saving: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to write."""
        self._writing = asyncio.create_task(self._write(), name="event log")

    async def close(self, seconds: float = 2.0) -> None:
        """Store what is still pending, if that goes within `seconds`; a spill file that is not empty stays."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._marked or self._in_hand or self._backlog:
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(PAUSE_S / 10)
        for task in (self._writing, self._saving):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        await self._store.close()
        self._spill.close()

    def mark(self, journal: Journal) -> None:
        """See `Log`."""
        self._marked[journal] = None
        self._work.set()

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            marked, self._marked = self._marked, {}
            taken = [_Waiting(journal, entry) for journal in marked for entry in journal.take()]
            self._in_hand = True
            for first in range(0, len(taken), TRANSACTION_EVENTS):
                part = taken[first : first + TRANSACTION_EVENTS]
                try:
                    await self._put(part)
                except Exception as bug:  # noqa: BLE001 - it may cost the runs it struck, not all that are to come
                    _refuse(part, bug)
            self._in_hand = False
            if len(taken) >= BUSY_EVENTS:
                await asyncio.sleep(BREATH_S)

    async def _put(self, waiting: list[_Waiting]) -> None:
        """Bring events to where they are safe, then show them; waits for as long as that takes."""
        loop = asyncio.get_running_loop()
        slow_at = loop.time() + SLOW_S
        while True:
            if self._saving is None:
                try:
                    refused = await self._store.append([each.new() for each in waiting])
                except StorageUnavailable:
                    pass
                else:
                    self._show(waiting, refused, saved=True)
                    if not self._spill.empty:
                        await self._spill.clear()  # a write that was given up, and was done after all
                    return
            if (self._saving is not None or loop.time() >= slow_at) and await self._spilled(waiting):
                return
            await asyncio.sleep(PAUSE_S)

    def _show(self, waiting: Iterable[_Waiting], refused: frozenset[UUID], *, saved: bool) -> None:
        for journal, group in groupby(waiting, key=lambda each: each.journal):
            if journal.run_id in refused:
                journal.refuse()
                continue
            journal.publish([each.entry for each in group], saved=saved)
            self._tell(journal.run_id)

    async def _spilled(self, waiting: list[_Waiting]) -> bool:
        """Put events into the spill file and show them as not durable; False where there is no room for them."""
        marked = [_Waiting(each.journal, each.entry.not_durable()) for each in waiting]
        size = sum(len(each.entry.data) for each in marked)
        if self._backlog_bytes + size > MAX_BACKLOG_BYTES:
            return False
        async with self._file:
            if not await self._spill.write([each.new() for each in marked]):
                return False
            self._backlog.extend(marked)
            self._backlog_bytes += size
        self._show(marked, frozenset(), saved=False)
        if self._saving is None:
            _log.warning("storage.away", effect="events are kept in the spill file")
            self._saving = asyncio.create_task(self._save_backlog(), name="event log: backlog")
        return True

    async def _save_backlog(self) -> None:
        """Store everything that waits, oldest first; ends when nothing does."""
        stored = 0
        while self._backlog:
            part = list(islice(self._backlog, TRANSACTION_EVENTS))
            try:
                refused = await self._store.append([each.new() for each in part])
            except StorageUnavailable:
                await asyncio.sleep(PAUSE_S)
                continue
            except Exception as bug:  # noqa: BLE001 - see `_write`
                refused = _refuse(part, bug)
            for each in part:
                self._backlog.popleft()
                self._backlog_bytes -= len(each.entry.data)
                if each.journal.run_id in refused:
                    each.journal.refuse()
                else:
                    each.journal.mark_saved(each.entry.seq)
                    stored += 1
            async with self._file:
                if not self._backlog:
                    await self._spill.clear()
        self._saving = None
        _log.warning("storage.back", stored=stored)


def _refuse(waiting: Iterable[_Waiting], bug: Exception) -> frozenset[UUID]:
    """Give up the runs that a bug struck, and give their ids."""
    _log.error("event_log.crashed", error_type=type(bug).__qualname__)
    journals = {each.journal for each in waiting}
    for journal in journals:
        journal.refuse()
    return frozenset(journal.run_id for journal in journals)
