"""Calls for which the run waits on its caller: for their results, or for leave to make them."""

import asyncio
from collections.abc import Iterable
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
"""How often it looks for what another process was told; what this one is told wakes it."""


def answers_topic(run_id: object) -> str:
    """Name what callers say of a run's calls."""
    return f"tools:{run_id}"


@final
class HeldCalls:
    """Waits until the caller has done its part for the calls of one step."""

    def __init__(self, database: Database, wakeups: Wakeups, run: LiveRun, limits: ToolLimits) -> None:
        """Take where that is found, and how long it may take."""
        self._database = database
        self._wakeups = wakeups
        self._run = run
        self._limits = limits
        self.waited_s = 0.0
        """All the time that it has waited: a person's, which does not count as the tools'."""
        self._answers: dict[str, asyncio.Future[Told | None]] = {}

    def hold(self, calls: Iterable[Call]) -> None:
        """Have these calls wait, and no others; `watch` ends that."""
        loop = asyncio.get_running_loop()
        self._answers = {call.id: loop.create_future() for call in calls}

    def holds(self, call: Call) -> bool:
        """Tell whether the caller has a part in a call of this step."""
        return call.id in self._answers

    async def answer(self, call: Call) -> Told | None:
        """Wait for a call's result; None as soon as the call may be made.

        Raises `ToolExecutionError` where nothing comes in time.
        """
        return await asyncio.shield(self._answers[call.id])

    async def watch(self, calls: Iterable[Call]) -> None:
        """Look for the answers of those of `calls` that are held until all are there, or it is too late.

        Meanwhile `run.parked` says that nothing is lost if this process ends: another one goes on with the run.
        """
        waiting = {call.id: call for call in calls if self.holds(call)}
        if not waiting:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with self._wakeups.watch(answers_topic(self._run.run_id)) as watch:
                async with asyncio.timeout(self._limits.wait_s):
                    while True:
                        await self._look(waiting)
                        if not waiting:
                            self._run.parked = False
                            return
                        self._run.parked = True
                        await watch.wait(POLL_S)
        except TimeoutError:
            self._run.parked = False
            message = f"The caller did not answer for its tool calls within {self._limits.wait_s:g} seconds."
            late = ToolExecutionError(message, action="Send results and approvals sooner.")
            for call_id in waiting:
                self._answers[call_id].set_exception(late)
        finally:
            self.waited_s += loop.time() - began

    async def _look(self, waiting: dict[str, Call]) -> None:
        try:
            async with self._database.read() as session:
                stored = await tool_rounds.read_answers(session, [call.row_id for call in waiting.values()])
        except StorageUnavailable:
            return
        for call in [call for call in waiting.values() if call.row_id in stored]:
            del waiting[call.id]
            self._answers[call.id].set_result(self._told(*stored[call.row_id]))

    def _told(self, status: str, content: str) -> Told | None:
        if status in {tool_rounds.APPROVED, tool_rounds.WRITING}:
            return None
        went_well = status in {tool_rounds.SENT, tool_rounds.CLOSED[tool_rounds.SENT][0]}
        return told(ToolResult(value=orjson.loads(content), failed=not went_well), self._limits)
