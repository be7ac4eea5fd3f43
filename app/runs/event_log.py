"""The one writer of events: what all runs have pending is stored in one transaction, and only then shown."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, final
from uuid import UUID

import structlog

from app.db.event_store import Appended
from app.db.run_events import NewEvents
from app.db.sqlite_events import Folded
from app.entry import Entry
from app.errors import StorageUnavailable
from app.providers.first_words import FirstWords
from app.runs.event_batch import Batch, first_part, parts
from app.runs.journal import Journal
from app.runs.spill import Spill

SLOW_S: Final = 1.0
"""How long readers wait for the database before they are shown what only the spill file has."""
BUSY_RUNS: Final = 5
"""With so many at once transactions follow one another at `BREATH_S`, so that each has more and all cost less."""
BREATH_S: Final = 0.003
EARLY_EVENTS: Final = 2
"""A run that has shown no more than these waits for its first text, and so does a person: no pause then."""
IDLE_S: Final = 1.0
"""How often the store may put old events away while nothing new comes."""
PAUSE_S: Final = 0.1
"""Between two tries to store."""
MAX_BACKLOG_BYTES: Final = 64_000_000
"""What may wait in memory, and in the spill file, for the database; then the runs wait."""
_log: Final = structlog.stdlib.get_logger(__name__)


class Store(Protocol):
    """What `app.db.event_store` does."""

    @property
    def waits(self) -> bool:
        """Whether there is something to fold."""
        ...

    async def append(self, events: Sequence[NewEvents]) -> Appended:
        """Store events; raises `StorageUnavailable`."""
        ...

    async def fold(self) -> Folded:
        """Put away what is old; raises `StorageUnavailable`."""
        ...

    async def close(self) -> None:
        """Give up what it holds."""


@final
class EventLog:
    """Owns the writer's task between `open` and `close`.

    The next transaction begins as soon as the last one is over: no delay while there is little to do, larger
    transactions and longer texts in one event while there is much. While the database is away for longer than
    `SLOW_S`, events go into the spill file and are shown with `durable: false`; it has them all before the end of
    their run is stored.
    """

    def __init__(
        self,
        store: Store,
        spill: Spill,
        *,
        tell: Callable[[UUID], None] = lambda _: None,
        first_words: FirstWords | None = None,
    ) -> None:
        """Take the store, the place for bad times, and whom to tell of runs that have new events, or their first."""
        self._store = store
        self._spill = spill
        self._tell = tell
        self.first_words = FirstWords() if first_words is None else first_words
        self._marked: dict[Journal, None] = {}
        self._in_hand = False
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._unkept: dict[UUID, Journal] = {}
        """Runs with events that the store has yet to fold."""
        self._backlog: deque[Batch] = deque()
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
        if journal.last_seq <= EARLY_EVENTS:
            self._hurry.set()
            self.first_words.expect(journal)
        self._work.set()

    async def _write(self) -> None:
        while True:
            if not self._work.is_set():
                await self._wait()
            self._work.clear()
            self._hurry.clear()
            marked, self._marked = self._marked, {}
            taken = [Batch(journal, entries) for journal in marked if (entries := _take(journal))]
            self._in_hand = True
            for part in parts(taken):
                try:
                    await self._put(part)
                except Exception as bug:  # noqa: BLE001 - it may cost the runs it struck, not all that are to come
                    _refuse(part, bug)
            self._in_hand = False
            for journal in marked:
                self.first_words.passed_on(journal)
            if len(taken) >= BUSY_RUNS:
                await self._breathe()

    async def _breathe(self) -> None:
        """Pause for `BREATH_S`, but not while somebody's first text is there."""
        timer = asyncio.get_running_loop().call_later(BREATH_S, self._hurry.set)
        await self._hurry.wait()
        timer.cancel()

    async def _wait(self) -> None:
        """Wait for work, and let the store put away what is old meanwhile."""
        while self._store.waits:
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._work.wait()
            except TimeoutError:
                if self._saving is None:  # the store is for one caller at a time
                    await self._fold()
            else:
                return
        await self._work.wait()

    async def _fold(self) -> None:
        try:
            self._note(await self._store.fold())
        except StorageUnavailable:
            pass  # logged where it happened; the next look tries again
        except Exception as bug:  # noqa: BLE001 - it may cost space, not the writer that all runs need
            _log.error("event_log.not_folded", error_type=type(bug).__qualname__)

    async def _put(self, waiting: Sequence[Batch]) -> None:
        """Bring events to where they are safe, then show them; waits for as long as that takes."""
        loop = asyncio.get_running_loop()
        slow_at = loop.time() + SLOW_S
        while True:
            if self._saving is None:
                try:
                    stored = await self._store.append([each.new() for each in waiting])
                except StorageUnavailable:
                    pass
                else:
                    self._show(waiting, stored.refused, saved=True)
                    self._note(stored.folded)
                    if not self._spill.empty:
                        await self._spill.clear()  # a write that was given up, and was done after all
                    return
            if (self._saving is not None or loop.time() >= slow_at) and await self._spilled(waiting):
                return
            await asyncio.sleep(PAUSE_S)

    def _show(self, waiting: Iterable[Batch], refused: frozenset[UUID], *, saved: bool) -> None:
        for each in waiting:
            journal = each.journal
            if refused and journal.run_id in refused:
                journal.refuse()
                continue
            if saved:
                self._unkept[journal.run_id] = journal
            journal.publish(each.entries, saved=saved)
            self._tell(journal.run_id)

    def _note(self, folded: Folded) -> None:
        for run_id, seq in folded.items():
            journal = self._unkept.pop(run_id, None)
            if journal is not None:
                journal.mark_kept(seq)

    async def _spilled(self, waiting: Sequence[Batch]) -> bool:
        """Put events into the spill file and show them as not durable; False where there is no room for them."""
        marked = [each.not_durable() for each in waiting]
        size = sum(each.size for each in marked)
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
            part = first_part(self._backlog)
            try:
                appended = await self._store.append([each.new() for each in part])
            except StorageUnavailable:
                await asyncio.sleep(PAUSE_S)
                continue
            except Exception as bug:  # noqa: BLE001 - see `_write`
                appended = Appended(_refuse(part, bug))
            for each in part:
                self._backlog.popleft()
                self._backlog_bytes -= each.size
                if each.journal.run_id in appended.refused:
                    each.journal.refuse()
                else:
                    self._unkept[each.journal.run_id] = each.journal
                    each.journal.mark_saved(each.entries[-1].seq)
                    stored += len(each.entries)
            self._note(appended.folded)
            async with self._file:
                if not self._backlog:
                    await self._spill.clear()
        self._saving = None
        _log.warning("storage.back", stored=stored)


def _take(journal: Journal) -> Sequence[Entry]:
    """Number what is pending of a run; an event that cannot be written costs its own run only."""
    try:
        return journal.take()
    except Exception as bug:  # noqa: BLE001 - see above
        _refuse([Batch(journal, ())], bug)
        return ()


def _refuse(waiting: Iterable[Batch], bug: Exception) -> frozenset[UUID]:
    """Give up the runs that a bug struck, and give their ids."""
    _log.error("event_log.crashed", error_type=type(bug).__qualname__)
    journals = {each.journal for each in waiting}
    for journal in journals:
        journal.refuse()
    return frozenset(journal.run_id for journal in journals)
