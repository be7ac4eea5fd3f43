"""Stores the events of all runs, many in one transaction, on a connection of its own."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.failures import FAILURES, as_gateway_error
from app.db.run_events import NewEvent, append_events
from app.db.session import Database
from app.db.sqlite_events import append_in_one_visit

APPEND_SECONDS: Final = 2.0
"""What one transaction may take before it counts as failed: readers wait for it."""
TURN_SECONDS: Final = 1.0
"""What it may wait for the other writers of this process, on SQLite."""
BUSY_MILLISECONDS: Final = 250
"""What it may wait for writers outside of this process, on SQLite; it is tried again soon."""
_CLOSE_SECONDS: Final = 1.0


@final
class EventStore:
    """Owns its connection; `close` it. For one caller at a time."""

    def __init__(self, database: Database) -> None:
        """Connect with the first events."""
        self._database = database
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        """SQLite's own connection, asked without SQLAlchemy in between."""

    async def append(self, events: Sequence[NewEvent]) -> frozenset[UUID]:
        """Store `events` and give the runs that took none, as somebody else has ended them or they are gone.

        Raises `StorageUnavailable`; then what became of them is unknown, and it may be called with them again.
        """
        try:
            async with asyncio.timeout(APPEND_SECONDS), self._database.turn(TURN_SECONDS, first=True):
                connection = await self._connected()
                if self._driver is not None:
                    refused = await append_in_one_visit(self._driver, events)
                else:
                    refused = await append_events(connection, events)
                    await connection.commit()
        except FAILURES as failure:
            # Not rolled back but closed: a server that hangs would not answer to that either.
            await self.close()
            raise as_gateway_error(failure) from None
        except BaseException:
            await self.close()
            raise
        return refused

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            connection = await self._database.connect()
            self._connection = connection
            if connection.dialect.name == "sqlite":
                await connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
                await connection.rollback()
                self._driver = (await connection.get_raw_connection()).driver_connection
        return self._connection

    async def close(self) -> None:
        """Give the connection up; the next events open another one."""
        connection, self._connection, self._driver = self._connection, None, None
        if connection is None:
            return
        # What is still going on in it must not come back into the pool.
        with suppress(*FAILURES):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.invalidate()
                await connection.close()
