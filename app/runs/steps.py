"""The steps of one answer: the model is asked, its calls of tools are run, and it is asked again with the results."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, final

from app.db.tool_rounds import ASKED, AWAITED, ENDING, HELD, OPEN, QUEUED, RUNNING, WRITING, Said
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
from app.runs.tools.box import ToolBox
from app.runs.tools.call import Call, calls_of
from app.runs.tools.held import HeldCalls
from app.runs.tools.ledger import Ledger
from app.runs.tools.limits import ToolLimits
from app.runs.tools.round import ToolRound
from app.runs.tools.told import Told
from app.runs.tools.undivided import undivided
from app.runs.tools.unshown import finished
from app.tool_events import ApprovalAwaited, ToolFinished, ToolsAwaited, ToolsMissing, ToolStarted

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
        held: HeldCalls,
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
        self._held = held
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
        self._waiting: set[str] = set()
        """Ids of those among them that are not told to be made yet, though they may be."""

    async def run(self, script: Script, elsewhere: Callable[[Script, Plan], Elsewhere]) -> None:
        """Ask the model, and again after each round of calls.

        Raises what `Answer.ask` raises, `ToolLoopLimit`, `StorageUnavailable` and `Interrupted`.
        """
        for source, reason in self._box.missing.items():
            self._run.journal.append(ToolsMissing(source=source, reason=reason))
        began, rounds = self._clock.monotonic(), 0
        while True:
            await self._ask(script, elsewhere(script, self._plan))
            calls = self._due()
            if not calls:
                return
            took = self._clock.monotonic() - began - self._held.waited_s
            if rounds >= self._tool_limits.rounds or took >= self._tool_limits.total_s:
                raise ToolLoopLimit(origin=self._answer.origin)
            rounds += 1
            script = await self._round(script, calls)

    async def _ask(self, script: Script, elsewhere: Elsewhere) -> None:
        request, left_out = make_request(self._limits, self._send, self._plan, script)
        if left_out > self._left_out:
            self._left_out = left_out
            self._run.journal.append(ContextTruncated(left_out=left_out))
        await self._answer.ask(request, elsewhere)
        if self._answer.detour is not None:
            self._plan = self._answer.detour.plan

    def _due(self) -> list[Call]:
        """Give the calls whose results the model is to get; none where the run ends with calls of its caller's."""
        draft, send = self._answer.draft, self._send
        if draft.finish not in _CALLS or not (self._box.offered or (send.tools and send.awaits_tools)):
            return []
        calls = calls_of(draft.tool_calls_json() or (), self._used_ids)
        ends = not send.awaits_tools and any(call.name in self._callers for call in calls)
        return [] if ends else calls

    async def finish(self, calls: Sequence[Call]) -> None:
        """Go on with calls of the run's last step that another process has left; raises as `run`."""
        round_ = self._new_round()
        self._open = {call.id: call for call in calls}
        self._held.hold(calls)
        async with self._ended_open():
            await self._results(round_, calls)

    async def _round(self, script: Script, calls: Sequence[Call]) -> Script:
        answer = self._answer
        answer.end()
        text = answer.draft.message_content
        round_ = self._new_round()
        statuses = await self._statuses(round_, calls)
        async with self._ended_open():
            await undivided(self._begin(self._said(text, calls), statuses))
            told = await self._results(round_, calls)
        made = ChatMessage(role="assistant", content=text, tool_calls=tuple(call.made() for call in calls))
        results = (
            ChatMessage(role="tool", content=one.for_model, tool_call_id=call.id, name=call.name)
            for call, one in zip(calls, told, strict=True)
        )
        # A tool that must be called once is not to be called for ever.
        return replace(script, whole=(*script.whole, made, *results), tool_choice=None)

    def _new_round(self) -> ToolRound:
        return ToolRound(self._box, self._tool_limits, self._admit, self._start, self._tell)

    async def _begin(self, said: Said, statuses: Sequence[tuple[Call, str]]) -> None:
        """Store the calls, then show them."""
        next_message_id = uuid.uuid4()
        await self._ledger.begin(said, statuses, next_message_id)
        self._answer.step(next_message_id)
        self._open = {call.id: call for call, _ in statuses}
        self._used_ids.update(self._open)
        self._held.hold(call for call, status in statuses if status in HELD)
        self._waiting = {call.id for call, status in statuses if status == QUEUED}
        for call, status in statuses:
            if status in (RUNNING, WRITING):
                self._show_start(call, writes=status == WRITING)
        for status, event in ((AWAITED, ToolsAwaited), (ASKED, ApprovalAwaited)):
            held = [call for call, its in statuses if its == status]
            if held:
                told = tuple(call.as_asked() for call in held)
                expires_in_s = self._tool_limits.wait_s
                self._run.journal.append(event(message_id=self._made_in, calls=told, expires_in_s=expires_in_s))

    async def _statuses(self, round_: ToolRound, calls: Sequence[Call]) -> list[tuple[Call, str]]:
        statuses: list[tuple[Call, str]] = []
        begun = 0
        for call in calls:
            status = await self._status(call, round_)
            begun += status not in HELD
            waits = status == WRITING and begun > self._tool_limits.at_once
            statuses.append((call, QUEUED if waits else status))
        return statuses

    async def _status(self, call: Call, round_: ToolRound) -> str:
        limits = self._tool_limits
        fits = call.index < limits.calls and len(call.arguments_text) <= limits.argument_chars
        if call.name in self._callers and call.arguments is not None and fits:
            return AWAITED
        if not round_.writes(call):
            return RUNNING
        asks = self._send.approves_writes and await round_.refusal(call) is None
        return ASKED if asks else WRITING

    async def _results(self, round_: ToolRound, calls: Sequence[Call]) -> list[Told]:
        watching = asyncio.create_task(self._held.watch(calls), name="answers of the caller")
        try:
            return await round_.run(calls)
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def _admit(self, call: Call) -> Told | None:
        if not self._held.holds(call):
            return None
        told = await self._held.answer(call)
        if told is None:
            self._waiting.add(call.id)
        else:
            await self._tell(call, told)
        return told

    async def _start(self, call: Call) -> None:
        if call.id in self._waiting:
            await undivided(self._dispatch(call))

    async def _dispatch(self, call: Call) -> None:
        await self._ledger.dispatch(call)
        self._waiting.discard(call.id)
        self._show_start(call, writes=True)

    @asynccontextmanager
    async def _ended_open(self) -> AsyncGenerator[None]:
        """Should the run end now, end its open calls and show what is stored of them: a result may just have come."""
        try:
            yield
        except BaseException:
            await undivided(self._end_open())
            raise

    async def _end_open(self) -> None:
        stays = self._run.parked and isinstance(self._run.stopped_by, Interrupted)
        ended = await self._ledger.close(ENDING if stays else OPEN, list(self._open.values()))
        for call in self._open.values():
            if call.row_id in ended:
                status, content = ended[call.row_id]
                self._run.journal.append(finished(self._made_in, call.id, call.name, status, content))

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

    @property
    def _made_in(self) -> str:
        """The message that made the calls of the round."""
        return str(self._run.earlier[-1])

    def _show_start(self, call: Call, *, writes: bool) -> None:
        self._run.journal.append(
            ToolStarted(message_id=self._made_in, tool_call_id=call.id, index=call.index, name=call.name, writes=writes)
        )

    def _show(self, call: Call, told: Told) -> None:
        self._run.journal.append(
            ToolFinished(
                message_id=self._made_in, tool_call_id=call.id, name=call.name, outcome=told.status, result=told.result
            )
        )
