"""A store of events that does what a test tells it to."""

import asyncio
from collections.abc import Sequence
from typing import final
from uuid import UUID

import orjson

from app.db.event_store import Appended
from app.db.run_events import NewEvents
from app.db.sqlite_events import NOTHING_FOLDED, Folded
from app.entry import Entry
from app.errors import StorageUnavailable


@final
class ScriptedStore:
    """Keeps what it is given, in order; away, held up, crashing or refusing on request."""

    waits = False

    def __init__(self) -> None:
        self.kept: list[tuple[UUID, Entry]] = []
        self.transactions: list[list[Entry]] = []
        self.tries = 0
        self.refused: set[UUID] = set()
        self.away = False
        self.crash: UUID | None = None
        """A run whose events are a bug's victim, with everything that comes with them."""
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.closed = False

    async def append(self, events: Sequence[NewEvents]) -> Appended:
        self.tries += 1
        assert events, "an empty transaction costs a write of the disk"
        assert all(each.entries for each in events)
        await self.go_on.wait()
        if self.away:
            raise StorageUnavailable
        if any(each.run_id == self.crash for each in events):
            raise ZeroDivisionError
        self.transactions.append([entry for each in events for entry in each.entries])
        taken = [each for each in events if each.run_id not in self.refused]
        self.kept += [(each.run_id, entry) for each in taken for entry in each.entries]
        return Appended(frozenset({each.run_id for each in events} & self.refused))

    async def fold(self) -> Folded:
        return NOTHING_FOLDED

    async def close(self) -> None:
        self.closed = True

    def seqs(self, run_id: UUID) -> list[int]:
        return [entry.seq for owner, entry in self.kept if owner == run_id]

    def text(self, run_id: UUID) -> str:
        texts = (orjson.loads(entry.data).get("content", "") for owner, entry in self.kept if owner == run_id)
        return "".join(texts)
