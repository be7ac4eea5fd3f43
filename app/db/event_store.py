"""Stores the events of all runs, many in one transaction, on a connection of its own."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.failures import as_gateway_error, failures
from app.db.run_events import NewEvents, append_events
from app.db.session import Database
from app.db.sqlite_events import NOTHING_FOLDED, Folded, SqliteEvents
from app.errors import StorageUnavailable

APPEND_SECONDS: Final = 2.0
"""What one transaction may take before it counts as failed: readers wait for it."""
ALL_SECONDS: Final = 60.0
"""What folding all that there is may take, at a start: nobody waits for an answer then."""
TURN_SECONDS: Final = 1.0
"""What it may wait for the other writers of this process, on SQLite."""
_CLOSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of events."""

    refused: frozenset[UUID] = frozenset()
    """The runs that took none, as somebody else has ended them or they are gone."""
    folded: Folded = field(default_factory=lambda: NOTHING_FOLDED)
    """What is where readers of the database look for it: here everything, on SQLite what was folded by the way."""


@final
class EventStore:
    """Owns its connection to PostgreSQL; `close` it. For one caller at a time.

    On SQLite it uses the one that all writers have. There events go into a journal first, and are folded into pages of
    one run each: see `app.db.sqlite_events`.
    """

    def __init__(self, database: Database) -> None:
        """Connect with the first events."""
        self._database = database
        self._visits = database.visits
        self._connection: AsyncConnection | None = None
        self._sqlite = SqliteEvents()

    @property
    def waits(self) -> bool:
        """Whether there is something to `fold`."""
        return self._sqlite.waits

    async def append(self, events: Sequence[NewEvents]) -> Appended:
        """Store `events`.

        Raises `StorageUnavailable`; then what became of them is unknown, and it may be called with them again.
        """
        async with self._writing():
            if self._visits is not None:
                return Appended(*await self._sqlite.append(await self._visits.driver(), events))
            connection = await self._connected()
            refused = await append_events(connection, events)
            await connection.commit()
            return Appended(refused, {each.run_id: each.entries[-1].seq for each in events})

    async def fold(self, *, everything: bool = False) -> Folded:
        """Fold what is old, or everything, and give what was folded; raises `StorageUnavailable`."""
        if self._visits is None or not self._sqlite.waits:
            return NOTHING_FOLDED
        async with self._writing(ALL_SECONDS if everything else APPEND_SECONDS):
            return await self._sqlite.fold(await self._visits.driver(), everything=everything)

    async def recover(self) -> int:
        """Fold what a process that died has left unfolded, and give the number of those events.

        For the start, before anybody ends their runs; raises `StorageUnavailable`.
        """
        if self._visits is None:
            return 0
        async with self._writing(ALL_SECONDS):
            return await self._sqlite.recover(await self._visits.driver())

    @asynccontextmanager
    async def _writing(self, seconds: float = APPEND_SECONDS) -> AsyncGenerator[None]:
        try:
            async with self._database.turn(TURN_SECONDS, first=True):
                try:
                    async with asyncio.timeout(seconds):
                        yield
                except BaseException:
                    # Not rolled back but closed: a server that hangs would not answer to that either. Before anybody
                    # else has the turn, as on SQLite it is theirs too.
                    await self._disconnect()
                    raise
        except failures() as failure:
            raise as_gateway_error(failure) from None

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._database.connect()
        return self._connection

    async def close(self) -> None:
        """Fold what is left, if that goes quickly, and give the connection up; more events open another one."""
        with suppress(StorageUnavailable, TimeoutError):
            async with asyncio.timeout(APPEND_SECONDS):
                await self.fold(everything=True)
        if self._visits is None:
            await self._disconnect()

    async def _disconnect(self) -> None:
        if self._visits is not None:
            await self._visits.close()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # What is still going on in it must not come back into the pool.
        with suppress(*failures()):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.invalidate()
                await connection.close()
