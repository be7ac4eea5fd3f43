"""The steps of one answer: the model is asked, its calls of tools are run, and it is asked again with the results."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, final

from app.db.tool_rounds import AWAITED, RUNNING, WRITING, Said
from app.errors import Interrupted, ToolLoopLimit
from app.events import ContextTruncated, FinishReason
from app.providers.model import ChatMessage
from app.runs.answer import Answer
from app.runs.clock import Clock
from app.runs.detour import Elsewhere
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.model_request import Script, make_request
from app.runs.plan import Plan
from app.runs.send import SendMessage
from app.runs.tools.awaited import AwaitedCalls
from app.runs.tools.box import ToolBox
from app.runs.tools.call import Call, calls_of
from app.runs.tools.ledger import Ledger
from app.runs.tools.limits import ToolLimits
from app.runs.tools.round import ToolRound
from app.runs.tools.told import Told, not_finished
from app.runs.tools.undivided import undivided
from app.tool_events import ToolFinished, ToolsAwaited, ToolsMissing, ToolStarted

_CALLS: Final = frozenset({FinishReason.TOOL_CALLS, FinishReason.STOP})
"""How a step ends whose calls are whole; after anything else none is run."""


@final
class Steps:
    """Drives `answer` until the model answers without calling a tool of `box`."""

    def __init__(  # noqa: PLR0913 - what a step is made of
        self,
        run: LiveRun,
        answer: Answer,
        box: ToolBox,
        ledger: Ledger,
        awaited: AwaitedCalls,
        *,
        plan: Plan,
        send: SendMessage,
        limits: RunLimits,
        tool_limits: ToolLimits,
        clock: Clock,
        used_ids: Iterable[str] = (),
    ) -> None:
        """Take the parts; the box stays open until `run` is over."""
        self._run = run
        self._answer = answer
        self._box = box
        self._ledger = ledger
        self._awaited = awaited
        self._plan = plan
        self._send = send
        self._limits = limits
        self._tool_limits = tool_limits
        self._clock = clock
        self._callers = frozenset(tool.name for tool in send.tools)
        self._used_ids: set[str] = set(used_ids)
        self._left_out = 0
        self._open: dict[str, Call] = {}
        """Those of the round without a result."""

    async def run(self, script: Script, elsewhere: Callable[[Script], Elsewhere]) -> None:
        """Ask the model, and again after each round of calls.

        Raises what `Answer.ask` raises, `ToolLoopLimit`, `StorageUnavailable` and `Interrupted`.
        """
        for source, reason in self._box.missing.items():
            self._run.journal.append(ToolsMissing(source=source, reason=reason))
        ends = self._clock.monotonic() + self._tool_limits.total_s
        rounds = 0
        while True:
            await self._ask(script, elsewhere(script))
            calls = self._due()
            if not calls:
                return
            if rounds >= self._tool_limits.rounds or self._clock.monotonic() >= ends:
                raise ToolLoopLimit(origin=self._answer.origin)
            rounds += 1
            script = await self._round(script, calls)

    async def _ask(self, script: Script, elsewhere: Elsewhere) -> None:
        request, left_out = make_request(self._limits, self._send, self._plan, script)
        if left_out > self._left_out:
            self._left_out = left_out
            self._run.journal.append(ContextTruncated(left_out=left_out))
        await self._answer.ask(request, elsewhere)

    def _due(self) -> list[Call]:
        """Give the calls whose results the model is to get; none where the run ends with calls of its caller's."""
        draft, send = self._answer.draft, self._send
        if draft.finish not in _CALLS or not (self._box.offered or (send.tools and send.awaits_tools)):
            return []
        calls = calls_of(draft.tool_calls_json() or (), self._used_ids)
        ends = not send.awaits_tools and any(call.name in self._callers for call in calls)
        return [] if ends else calls

    async def _round(self, script: Script, calls: Sequence[Call]) -> Script:
        answer = self._answer
        answer.end()
        text = answer.draft.message_content
        round_ = ToolRound(self._box, self._tool_limits, self._tell)
        try:
            await undivided(self._begin(self._said(text, calls), calls, round_))
            self._show_starts(round_, calls)
            told = await self._results(round_, calls)
        except BaseException:
            self._show_unfinished(round_)
            raise
        made = ChatMessage(role="assistant", content=text, tool_calls=tuple(call.made() for call in calls))
        results = (
            ChatMessage(role="tool", content=one.for_model, tool_call_id=call.id, name=call.name)
            for call, one in zip(calls, told, strict=True)
        )
        # A tool that must be called once is not to be called for ever.
        return replace(script, whole=(*script.whole, made, *results), tool_choice=None)

    async def _begin(self, said: Said, calls: Sequence[Call], round_: ToolRound) -> None:
        next_message_id = uuid.uuid4()
        await self._ledger.begin(said, [(call, self._status(call, round_)) for call in calls], next_message_id)
        self._answer.step(next_message_id)
        self._open = {call.id: call for call in calls}
        self._used_ids.update(self._open)

    def _is_callers(self, call: Call) -> bool:
        return call.name in self._callers and call.arguments is not None

    def _status(self, call: Call, round_: ToolRound) -> str:
        return AWAITED if self._is_callers(call) else WRITING if round_.writes(call) else RUNNING

    async def _results(self, round_: ToolRound, calls: Sequence[Call]) -> list[Told]:
        callers = [call for call in calls if self._is_callers(call)]
        own = [call for call in calls if not self._is_callers(call)]
        waiting = asyncio.create_task(self._awaited.results(self._run, callers, self._took), name="awaited results")
        try:
            told = dict(zip([call.id for call in own], await round_.run(own), strict=True))
            told |= zip([call.id for call in callers], await waiting, strict=True)
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})
        return [told[call.id] for call in calls]

    def _show_unfinished(self, round_: ToolRound) -> None:
        """Show of the calls without a result what the end of the run will store of them."""
        stays = self._run.parked and isinstance(self._run.stopped_by, Interrupted)
        for call in self._open.values():
            if not (stays and self._is_callers(call)):
                self._show(call, not_finished(self._tool_limits, writes=round_.writes(call)))

    async def _took(self, call: Call, told: Told) -> None:
        """Show what is stored already."""
        self._open.pop(call.id, None)
        self._show(call, told)

    async def _tell(self, call: Call, told: Told) -> None:
        await undivided(self._store(call, told))

    async def _store(self, call: Call, told: Told) -> None:
        await self._ledger.end(call, told)
        self._open.pop(call.id, None)
        self._show(call, told)

    def _said(self, text: str, calls: Sequence[Call]) -> Said:
        usage, finish = self._answer.step_usage, self._answer.draft.finish
        return Said(
            content=text,
            tool_calls=[call.as_dict() for call in calls],
            finish_reason=finish.value if finish else None,
            usage=usage.as_dict() if usage else None,
            provider=self._run.provider,
            model=self._run.model,
        )

    def _show_starts(self, round_: ToolRound, calls: Sequence[Call]) -> None:
        message_id, journal = str(self._run.earlier[-1]), self._run.journal
        for call in calls:
            if not self._is_callers(call):
                writes = round_.writes(call)
                started = ToolStarted(
                    message_id=message_id, tool_call_id=call.id, index=call.index, name=call.name, writes=writes
                )
                journal.append(started)
        callers = tuple(
            {"tool_call_id": call.id, "name": call.name, "arguments": call.arguments_text}
            for call in calls
            if self._is_callers(call)
        )
        if callers:
            journal.append(ToolsAwaited(message_id=message_id, calls=callers, expires_in_s=self._tool_limits.wait_s))

    def _show(self, call: Call, told: Told) -> None:
        message_id = str(self._run.earlier[-1])
        self._run.journal.append(
            ToolFinished(
                message_id=message_id, tool_call_id=call.id, name=call.name, outcome=told.status, result=told.result
            )
        )
