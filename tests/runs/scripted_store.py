"""A store of events that does what a test tells it to."""

import asyncio
from collections.abc import Sequence
from typing import final
from uuid import UUID

import orjson

from app.db.run_events import NewEvent
from app.errors import StorageUnavailable


@final
class ScriptedStore:
    """Keeps what it is given, in order; away, held up, crashing or refusing on request."""

    def __init__(self) -> None:
        self.kept: list[NewEvent] = []
        self.transactions: list[list[NewEvent]] = []
        self.tries = 0
        self.refused: set[UUID] = set()
        self.away = False
        self.crash: UUID | None = None
        """A run whose events are a bug's victim, with everything that comes with them."""
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.closed = False

    async def append(self, events: Sequence[NewEvent]) -> frozenset[UUID]:
        self.tries += 1
        assert events, "an empty transaction costs a write of the disk"
        await self.go_on.wait()
        if self.away:
            raise StorageUnavailable
        if any(event.run_id == self.crash for event in events):
            raise ZeroDivisionError
        self.transactions.append(list(events))
        self.kept += [event for event in events if event.run_id not in self.refused]
        return frozenset({event.run_id for event in events} & self.refused)

    async def close(self) -> None:
        self.closed = True

    def seqs(self, run_id: UUID) -> list[int]:
        return [event.entry.seq for event in self.kept if event.run_id == run_id]

    def text(self, run_id: UUID) -> str:
        texts = (orjson.loads(event.entry.data).get("content", "") for event in self.kept if event.run_id == run_id)
        return "".join(texts)
