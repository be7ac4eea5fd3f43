"""What of a run's tool calls is in the database: before a call is made, and before its result is shown."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar, final
from uuid import UUID

from app.db import tool_rounds
from app.db.session import Database, Job
from app.errors import Interrupted, StorageUnavailable
from app.runs.clock import Clock
from app.runs.live import LiveRun
from app.runs.tools.call import Call
from app.runs.tools.told import Told

AGAIN_S: Final = 0.2
"""Between two tries to store."""
CLOSE_S: Final = 2.0
"""How long a run that ends waits to learn what is stored of its calls."""
T = TypeVar("T")


@final
class Ledger:
    """Writes for one run; waits for a database that is away, for `seconds`."""

    def __init__(self, database: Database, run: LiveRun, clock: Clock, *, seconds: float) -> None:
        """Take where, whose and how long."""
        self._database = database
        self._run = run
        self._clock = clock
        self._seconds = seconds

    async def begin(self, said: tool_rounds.Said, calls: Sequence[tuple[Call, str]], next_message_id: UUID) -> None:
        """Store a step and that its calls are made, each with its status.

        Raises `StorageUnavailable`, and `Interrupted` where the run is not in hand here any more.
        """
        new = [
            tool_rounds.NewCall(row_id=call.row_id, call_id=call.id, name=call.name, status=status)
            for call, status in calls
        ]
        job = partial(
            tool_rounds.begin_round,
            run_id=self._run.run_id,
            epoch=self._run.journal.epoch,
            said=said,
            calls=new,
            next_message_id=next_message_id,
            now=self._clock.now(),
        )
        if not await self._patiently(lambda: self._database.do(job)):
            raise Interrupted

    async def dispatch(self, call: Call) -> None:
        """Store that a call which was approved, or had to wait, is being made; raises as `begin`."""
        run = self._run
        job: Job[bool] = partial(tool_rounds.dispatch, row_id=call.row_id, run_id=run.run_id, epoch=run.journal.epoch)
        if not await self._patiently(lambda: self._database.do(job)):
            raise Interrupted

    async def end(self, call: Call, told: Told) -> None:
        """Store what came of a call; raises as `begin`."""
        job: Job[bool] = partial(tool_rounds.put_result, row_id=call.row_id, status=told.status, content=told.text)
        if not await self._patiently(lambda: self._database.do(job)):
            raise Interrupted

    async def close(self, statuses: Sequence[str], calls: Sequence[Call]) -> dict[UUID, tuple[str, str]]:
        """End the calls that have these statuses, and give what is stored of those among `calls` that are over then.

        Nothing where the database is away: the end of the run, or who finds it, does the same.
        """
        row_ids = [call.row_id for call in calls]
        run = self._run
        job = partial(
            tool_rounds.end_calls,
            run_id=run.run_id,
            statuses=statuses,
            row_ids=row_ids,
            epoch=run.journal.epoch,
        )
        try:
            async with asyncio.timeout(CLOSE_S):
                return await self._database.do(job)
        except (StorageUnavailable, TimeoutError):
            return {}

    async def _patiently(self, write: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        patience_ends = loop.time() + self._seconds
        while True:
            try:
                return await write()
            except StorageUnavailable:
                if loop.time() >= patience_ends:
                    raise
            await asyncio.sleep(AGAIN_S)
