"""Stores how a run ended, for as long as that takes, so that what is told is what is stored."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Final, final

import structlog

from app.db import runs
from app.db.run_events import last_event_seq, read_events
from app.db.session import Database, Session
from app.entry import Entry
from app.errors import StorageUnavailable
from app.events import RunStatus
from app.runs.clock import Clock
from app.runs.ending import Ending
from app.runs.limits import RunLimits
from app.runs.outcome import Outcome

TAIL_EVENTS: Final = 1_000
_log = structlog.stdlib.get_logger(__name__)


class Stored(Enum):
    """What became of storing the end of a run."""

    DONE = "done"
    OVERTAKEN = "overtaken"
    """The run had ended in the database already, or its conversation is gone."""
    AWAY = "away"


@final
@dataclass(frozen=True, slots=True)
class EndStore:
    """Writes the last event of a run together with its row and its message, by compare-and-set."""

    database: Database
    limits: RunLimits
    clock: Clock

    async def end(self, ending: Ending) -> None:
        """Store the end, then tell it; while storage stays away the reader is told that, and it is stored later."""
        journal = ending.run.journal
        stored = await self._try(ending, self.limits.backlog_s, self.limits.store_pauses_s)
        if stored is Stored.OVERTAKEN:
            await self._tell_stored(ending)
        elif stored is Stored.AWAY:
            failed = replace(ending, outcome=Outcome(RunStatus.FAILED, StorageUnavailable()))
            if journal.all_visible:
                last = journal.renumber(failed.event()).not_durable()
                self._tell(failed, last, saved=False)
                await self._store_late(failed, last)
            else:
                # What has a number and is not shown yet will be, where the run is read on.
                journal.leave(StorageUnavailable())
                await self._try(failed, sum(self.limits.late_store_pauses_s), self.limits.late_store_pauses_s)

    async def _try(self, ending: Ending, backlog_s: float, pauses_s: Sequence[float]) -> Stored:
        """Wait until the database has everything before the end, store that, and tell it."""
        journal = ending.run.journal
        try:
            async with asyncio.timeout(backlog_s):
                await journal.saved()
        except TimeoutError:
            return Stored.AWAY
        if journal.refused:
            return Stored.OVERTAKEN
        last = journal.renumber(ending.event())
        stored = await self._store(ending, last, pauses_s)
        if stored is Stored.DONE:
            self._tell(ending, last)
        return stored

    async def _store(self, ending: Ending, last: Entry, pauses_s: Iterable[float]) -> Stored:
        """Store the end in one transaction, trying again after each pause while storage stays away."""
        run = ending.run
        for pause_s in (*pauses_s, None):
            try:
                async with asyncio.timeout(self.limits.store_s):
                    won = await self.database.do(partial(_finish, ending=ending, last=last, now=self.clock.now()))
            except (StorageUnavailable, TimeoutError):
                _log.warning("run.not_stored", run_id=str(run.run_id), retry_in_s=pause_s)
            else:
                return Stored.DONE if won else Stored.OVERTAKEN
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        return Stored.AWAY

    async def _store_late(self, ending: Ending, last: Entry) -> None:
        try:
            async with asyncio.timeout(sum(self.limits.late_store_pauses_s)):
                await ending.run.journal.saved_before(last.seq)
        except TimeoutError:
            return
        await self._store(ending, last, self.limits.late_store_pauses_s)

    async def _tell_stored(self, ending: Ending) -> None:
        """Tell what is stored, by whoever stored it; readers of a run that is gone are told how it ended here."""
        journal, run_id = ending.run.journal, ending.run.run_id
        try:
            async with asyncio.timeout(self.limits.store_s), self.database.read() as session:
                newest = await last_event_seq(session, run_id=run_id)
                after = min(journal.last_seq, newest - 1)
                tail = await read_events(session, run_id=run_id, after=after, limit=TAIL_EVENTS)
        except (StorageUnavailable, TimeoutError):
            return  # the hub sends its readers to where it will be found
        if not tail:
            # The conversation was deleted, here or at another process.
            gone = replace(ending, outcome=Outcome(RunStatus.CANCELLED))
            self._tell(gone, journal.renumber(gone.event()))
        elif tail[-1].terminal:
            if newest > journal.last_seq:
                journal.publish(tail)
            else:
                # What was shown before it was stored has taken the number, and came to nothing.
                journal.publish((tail[-1].told_as(journal.last_seq + 1),), saved=False)
            _log.info("run.ended_elsewhere", run_id=str(run_id), last=tail[-1].type)

    def _tell(self, ending: Ending, last: Entry, *, saved: bool = True) -> None:
        ending.run.journal.publish((last,), saved=saved)
        _log.info("run.ended", **ending.logged())


async def _finish(session: Session, *, ending: Ending, last: Entry, now: datetime) -> bool:
    run = ending.run
    events = [*run.journal.unkept_before(last.seq), last]
    return await runs.finish_run(
        session,
        run.run_id,
        ending.stored(),
        epoch=run.journal.epoch,
        events=events,
        now=now,
        calls=bool(run.earlier),
    )
