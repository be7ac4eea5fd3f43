"""Calls that the caller carries out: the run waits until their results are stored, by whichever process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, final

import orjson

from app.db import tool_rounds
from app.db.session import Database
from app.errors import StorageUnavailable, ToolExecutionError
from app.runs.live import LiveRun
from app.runs.tools.call import Call
from app.runs.tools.limits import ToolLimits
from app.runs.tools.told import Told, told
from app.tools.tool import ToolResult
from app.wakeups import Wakeups

POLL_S: Final = 1.0
"""How often it looks for results that another process was given; in this one they wake it."""


def results_topic(run_id: object) -> str:
    """Name the results of a run's calls."""
    return f"tools:{run_id}"


@final
class AwaitedCalls:
    """Waits for the results of one run's calls."""

    def __init__(self, database: Database, wakeups: Wakeups, limits: ToolLimits) -> None:
        """Take where they are found, and how long that may take."""
        self._database = database
        self._wakeups = wakeups
        self._limits = limits

    async def results(
        self, run: LiveRun, calls: Sequence[Call], show: Callable[[Call, Told], Awaitable[None]]
    ) -> list[Told]:
        """Give what came of the calls, in their order, and show each as soon as it is stored.

        Raises `ToolExecutionError` where they do not come in time. While it waits, `run.parked` says that nothing is
        lost if this process ends: another one goes on once the results are there.
        """
        found: dict[str, Told] = {}
        if not calls:
            return []
        try:
            with self._wakeups.watch(results_topic(run.run_id)) as watch:
                async with asyncio.timeout(self._limits.wait_s):
                    while True:
                        for call in await self._new(calls, found):
                            await show(call, found[call.id])
                        if len(found) == len(calls):
                            run.parked = False
                            return [found[call.id] for call in calls]
                        run.parked = True
                        await watch.wait(POLL_S)
        except TimeoutError:
            run.parked = False
            message = f"The results of the caller's tools did not come within {self._limits.wait_s:g} seconds."
            raise ToolExecutionError(message, action="Send them sooner.") from None

    async def _new(self, calls: Sequence[Call], found: dict[str, Told]) -> list[Call]:
        try:
            async with self._database.read() as session:
                stored = await tool_rounds.read_results(session, [call.row_id for call in calls])
        except StorageUnavailable:
            return []
        new = [call for call in calls if call.row_id in stored and call.id not in found]
        for call in new:
            status, content = stored[call.row_id]
            result = ToolResult(value=orjson.loads(content), failed=status == "failed")
            found[call.id] = told(result, self._limits)
        return new
