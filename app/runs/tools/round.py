"""The calls of one model step: carried out side by side, each told as soon as it is over."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, final

import structlog

from app.errors import ToolExecutionError
from app.runs.tools.box import Offered, ToolBox
from app.runs.tools.call import Call
from app.runs.tools.limits import ToolLimits
from app.runs.tools.schema import complaint
from app.runs.tools.told import Told, failed, told, unknown
from app.tools.tool import OutcomeUnknown, ToolUnavailable

SPARE_S: Final = 2.0
"""What a call may take beyond its own deadline before it is given up: it ends itself, and knows better how."""
Admit = Callable[[Call], Awaitable[Told | None]]
Start = Callable[[Call], Awaitable[None]]
Tell = Callable[[Call, Told], Awaitable[None]]
_log: Final[Any] = structlog.get_logger(__name__)


@final
class ToolRound:
    """Carries out the calls of a step; each exactly once."""

    def __init__(self, box: ToolBox, limits: ToolLimits, admit: Admit, start: Start, tell: Tell) -> None:
        """Take the tools, and who decides about each call and who is told of it.

        `admit` waits until the call may be made, or gives its result where it is not to be made here. `start` is told
        right before it is made; `tell` stores what came of it, then shows it.
        """
        self._box = box
        self._limits = limits
        self._admit = admit
        self._start = start
        self._tell = tell
        self._free = asyncio.Semaphore(limits.at_once)

    def writes(self, call: Call) -> bool:
        """Tell whether a call may change something."""
        offered = self._box.offered.get(call.name)
        return offered is not None and offered.tool.writes

    async def run(self, calls: Sequence[Call]) -> list[Told]:
        """Carry out the calls and give what came of each, in their order; being cancelled cancels all of them."""
        tasks = [asyncio.create_task(self._run(call), name=f"tool call {call.index}") for call in calls]
        try:
            over, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if rest and any(isinstance(task.exception(), ToolExecutionError) for task in over):
                await asyncio.wait(rest)  # somebody did not answer in time: what is under way has deadlines of its own
            for task in over:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=SPARE_S)
        return [task.result() for task in tasks]

    async def refusal(self, call: Call) -> Told | None:
        """Give the result of a call that is not to be made at all, such as one of a tool that does not exist."""
        limits, offered = self._limits, self._box.offered.get(call.name)
        if call.index >= limits.calls:
            return failed(f"Not called: one step may call {limits.calls} tools.", limits)
        if call.arguments is None:
            return failed("The arguments are no JSON object, or too deep. Call the tool again with valid JSON.", limits)
        if len(call.arguments_text) > limits.argument_chars:
            return failed(f"The arguments have more than {limits.argument_chars} characters.", limits)
        if offered is None:
            return failed(f"Unknown tool: {call.name}", limits, available=sorted(self._box.offered)[:50])
        if not offered.tool.mends:
            wrong = await complaint(offered.tool.parameters, call.arguments)
            if wrong is not None:
                return failed(wrong, limits)
        return None

    async def _run(self, call: Call) -> Told:
        given = await self._admit(call)
        if given is not None:
            return given
        async with self._free:
            await self._start(call)
            result = await self.refusal(call) or await self._called(self._box.offered[call.name], call)
        await self._tell(call, result)
        return result

    async def _called(self, offered: Offered, call: Call) -> Told:
        limits = self._limits
        try:
            async with asyncio.timeout(limits.call_s + SPARE_S):
                result = await offered.session.call(call.name, call.arguments or {}, seconds=limits.call_s)
        except TimeoutError:
            late = f"The tool did not answer within {limits.call_s:g} seconds."
            return unknown(limits) if offered.tool.writes else failed(late, limits)
        except ToolUnavailable as away:
            return failed(str(away), limits)
        except OutcomeUnknown:
            return unknown(limits) if offered.tool.writes else failed("The tool did not answer.", limits)
        except Exception as bug:  # noqa: BLE001 - a bug in one tool is that call's failure
            _log.error("tool.crashed", tool=offered.tool.name, error_type=type(bug).__qualname__)
            return unknown(limits) if offered.tool.writes else failed("The tool failed.", limits)
        return told(result, limits)
