"""One answer of the model: its deltas go into the draft and into the journal."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, final
from uuid import UUID

from app.errors import (
    GatewayError,
    Interrupted,
    InvalidProviderResponse,
    Origin,
    Phase,
    ProviderTimeout,
    StorageUnavailable,
    StreamInterrupted,
)
from app.events import ContextTruncated, Event, MessageDelta, ReasoningDelta, RunRetrying, ToolCallDelta, Usage
from app.providers.model import Delta, ModelClient, ModelRequest, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.providers.provider import Route
from app.providers.target import target_of
from app.runs.assembler import Draft
from app.runs.attempt import Attempt, new_attempt
from app.runs.clock import Clock
from app.runs.detour import Detour, Elsewhere, nowhere_else
from app.runs.estimate import estimate_usage
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.retry_budget import RetryBudget

FAIR_DELTAS: Final = 8
"""A client can give buffered deltas without ever leaving the loop to others; after so many the run does it."""
Note = Callable[[Sequence[dict[str, Any]]], Awaitable[None]]


async def _note_nowhere(_: Sequence[dict[str, Any]]) -> None:
    pass


def origin_of(route: Route) -> Origin:
    """Name the provider and the model for an error."""
    return Origin(provider=route.provider.id, label=route.provider.label, model=route.model)


@final
class Answer:
    """What the model says, as far as it has come; readable at any time, also after a failure."""

    def __init__(  # noqa: PLR0913 - what of it is replaceable
        self,
        run: LiveRun,
        route: Route,
        *,
        client: ModelClient,
        limits: RunLimits,
        clock: Clock,
        budget: RetryBudget | None = None,
        note: Note | None = None,
    ) -> None:
        """Start the clock for an answer that goes into the journal of `run`; `note` stores each further attempt."""
        self.draft = Draft()
        self.attempts: list[dict[str, Any]] = []
        self.ttft_ms: int | None = None
        """Milliseconds from here to the first delta that was shown."""
        self._run = run
        self.origin = origin_of(route)
        """Who is asked, for errors."""
        self.detour: Detour | None = None
        """The way that it took last, where its own provider has failed."""
        self._message_id = str(run.message_id)
        self._client = client
        self._limits = limits
        self._clock = clock
        self._budget = RetryBudget() if budget is None else budget
        self._note = note or _note_nowhere
        self._attempt: Attempt | None = None
        self._asked: ModelRequest | None = None
        self._started = clock.monotonic()
        self._chars = 0
        self._deltas = 0
        self._shown = False
        """Whether anything of this step was shown: from then on it is not tried again."""
        self._before: Usage | None = None
        """Of the steps before."""
        self.said_before = ""
        """What the steps before have shown."""

    def restart_clock(self) -> None:
        """Begin to count here: what it has waited for its turn is not the provider's."""
        self._started = self._clock.monotonic()

    def resume(self, *, attempts: Sequence[dict[str, Any]], said: str, usage: Usage | None) -> None:
        """Begin behind steps that another process has made."""
        self.attempts.extend(attempts)
        self.said_before, self._before = said, usage

    def step(self, message_id: UUID) -> None:
        """Go on with another model call, whose answer goes into another message."""
        self._before = self.usage
        self.said_before += self.draft.message_content
        self.draft, self._asked, self._shown = Draft(), None, False
        self._run.step(message_id)
        self._message_id = str(message_id)

    @property
    def usage(self) -> Usage | None:
        """Tokens of all steps together."""
        step, before = self.step_usage, self._before
        return before if step is None else step if before is None else before.plus(step)

    @property
    def step_usage(self) -> Usage | None:
        """Tokens as the provider counted them, else an estimate of what it has been sent and has said."""
        draft = self.draft
        calls = draft.tool_calls_json() or ()
        said = (draft.message_content, draft.reasoning, *(call["function"]["arguments"] for call in calls))
        return draft.usage or estimate_usage(self._asked, said)

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds from the start to now."""
        return self._ms_since(self._started)

    async def ask(self, request: ModelRequest, elsewhere: Elsewhere = nowhere_else) -> None:
        """Stream the answer, trying again only as long as nothing was shown; raises the last `GatewayError`.

        Whom it asks when that has failed for good, `elsewhere` says. All of it has the deadline of `request`.
        """
        total_s = request.deadlines.total_s
        deadline = asyncio.timeout(total_s)
        try:
            async with deadline:
                await self._ask(request, deadline, elsewhere)
        except TimeoutError:
            if not deadline.expired():
                raise
            message = f"{self.origin.label} did not finish the answer within {total_s:g} seconds."
            phase = Phase.MID_STREAM if self._shown else Phase.FIRST_TOKEN
            self.attempts[-1]["error"] = ProviderTimeout.code
            raise ProviderTimeout(message, origin=self.origin, phase=phase) from None

    async def _ask(self, request: ModelRequest, deadline: asyncio.Timeout, elsewhere: Elsewhere) -> None:
        loop = asyncio.get_running_loop()
        self._budget.earn(target_of(request.route))
        tries = 0
        while True:
            tries += 1
            try:
                await self._call(request)
            except GatewayError as error:
                if self._shown:
                    raise
                delay_s = self._delay(request.route, error, tries, (deadline.when() or 0.0) - loop.time())
                if delay_s is not None:
                    await self._again(error, delay_s)
                else:
                    detour = await elsewhere(error)
                    if detour is None:
                        raise
                    request, tries = detour.request, 0
                    self._budget.earn(target_of(request.route))
                    self._turn(error, detour)
                with suppress(StorageUnavailable):  # the end of the run stores all attempts
                    await self._note((*self.attempts, new_attempt(len(self.attempts) + 1, request.route, self._clock)))
            else:
                return

    def _delay(self, route: Route, error: GatewayError, tries: int, remaining_s: float) -> float | None:
        """Give the seconds until the same route is tried again, None where it is not."""
        delay_s = self._limits.retry.delay(error, tries, remaining_s)
        if delay_s is None or not route.provider.counted or self._budget.spend(target_of(route)):
            return delay_s
        return None

    async def _again(self, error: GatewayError, delay_s: float) -> None:
        """Wait before the next call."""
        following = len(self.attempts) + 1
        self._run.journal.append(RunRetrying(attempt=following, delay_s=delay_s, reason=error.code))
        self.attempts[-1]["paused_ms"] = round(delay_s * 1000)
        await asyncio.sleep(delay_s)

    def _turn(self, error: GatewayError, detour: Detour) -> None:
        """Go another way: from here on the run is that provider's."""
        self.detour = detour
        route, run = detour.request.route, self._run
        run.provider, run.model, self.origin = route.provider.id, route.model, origin_of(route)
        following = len(self.attempts) + 1
        told = RunRetrying(attempt=following, delay_s=0.0, reason=error.code, provider=run.provider, model=run.model)
        run.journal.append(told)
        if detour.left_out:
            run.journal.append(ContextTruncated(left_out=detour.left_out))

    async def _call(self, request: ModelRequest) -> None:
        self._asked = request
        attempt = self._attempt = Attempt(len(self.attempts) + 1, request, self._clock)
        self.attempts.append(attempt.note)
        self.draft = Draft()
        try:
            await self._read(attempt.heard())
        except BaseException as failure:
            attempt.end(failure)
            raise
        attempt.end(None)

    async def _read(self, request: ModelRequest) -> None:
        journal = self._run.journal
        async with self._client.stream(request) as deltas:
            async for delta in deltas:
                self._take(delta)
                if self._deltas % FAIR_DELTAS == 0:
                    await asyncio.sleep(0)
                if journal.full:
                    await self._room()
                if journal.refused:
                    raise Interrupted(origin=self.origin, phase=Phase.MID_STREAM)
        if self.draft.finish is None:
            raise StreamInterrupted(origin=self.origin)

    async def _room(self) -> None:
        """Let the provider wait while the storage is behind, so that no more than a little is held in memory."""
        try:
            async with asyncio.timeout(self._limits.room_s):
                await self._run.journal.room()
        except TimeoutError:
            raise StorageUnavailable from None

    def _take(self, delta: Delta) -> None:
        """Fold one delta into the draft and show what can be shown of it."""
        self._deltas += 1
        if type(delta) is TextDelta:
            # Nearly all deltas: without the objects and the tables in between.
            self._chars += len(delta.text)
            self._check_size()
            text = self.draft.add_text(delta.text)
            if text:
                self._show_event(MessageDelta(message_id=self._message_id, content=text))
            return
        self._chars += _chars(delta)
        self._check_size()
        shown = self.draft.add(delta)
        if shown is not None:
            self._show((shown,))

    def _check_size(self) -> None:
        if self._chars > self._limits.max_answer_chars:
            self._refuse(f"longer than {self._limits.max_answer_chars} characters")
        if self._deltas > self._limits.max_deltas:
            self._refuse(f"longer than {self._limits.max_deltas} pieces")

    def _refuse(self, why: str) -> None:
        message = f"The answer of {self.origin.label} is {why}."
        action = "What arrived is kept; ask for less at once."
        raise InvalidProviderResponse(message, action=action, origin=self.origin, phase=Phase.MID_STREAM)

    def _show(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            event = self._event(delta)
            if event is not None:
                self._show_event(event)

    def _show_event(self, event: Event) -> None:
        if not self._shown:
            self._shown = True
            self.ttft_ms = self.elapsed_ms if self.ttft_ms is None else self.ttft_ms
            if self._attempt is not None:
                self._attempt.shown()
        self._run.journal.append(event)

    def _event(self, delta: Delta) -> Event | None:
        match delta:
            case TextDelta(text):
                return MessageDelta(message_id=self._message_id, content=text)
            case ReasoningTextDelta(text):
                return ReasoningDelta(message_id=self._message_id, reasoning=text)
            case ToolCallPiece(index, id_, name, arguments):
                return ToolCallDelta(message_id=self._message_id, index=index, id=id_, name=name, arguments=arguments)
            case _:
                return None

    def end(self) -> None:
        """Show what the draft still holds back; nothing follows."""
        self._show(self.draft.end())

    def _ms_since(self, moment: float) -> int:
        return round((self._clock.monotonic() - moment) * 1000)


def _chars(delta: Delta) -> int:
    match delta:
        case TextDelta(text) | ReasoningTextDelta(text):
            return len(text)
        case ToolCallPiece():
            return len(delta.id or "") + len(delta.name or "") + len(delta.arguments)
        case _:
            return 0
