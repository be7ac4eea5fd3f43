"""One answer of the model: its deltas go into the draft and into the journal."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, Final, final

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
from app.events import Event, MessageDelta, ReasoningDelta, RunRetrying, ToolCallDelta, Usage
from app.providers.model import Delta, ModelClient, ModelRequest, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.providers.provider import Route, Wire
from app.runs.assembler import Draft
from app.runs.clock import Clock
from app.runs.estimate import estimate_usage
from app.runs.limits import RunLimits
from app.runs.live import LiveRun

FAIR_DELTAS: Final = 8
"""A client can give buffered deltas without ever leaving the loop to others; after so many the run does it."""
Note = Callable[[Sequence[dict[str, Any]]], Awaitable[None]]


async def _note_nowhere(_: Sequence[dict[str, Any]]) -> None:
    pass


def new_attempt(number: int, clock: Clock) -> dict[str, Any]:
    """Give the note of a model call that is about to be made."""
    return {"attempt": number, "started_at": clock.now().isoformat(), "ended_ms": None, "error": None}


def _note_wire(record: dict[str, Any], wire: Wire) -> None:
    """Note the wire of an attempt; one that was noted before has been refused."""
    if "wire" in record:
        record.setdefault("refused_wires", []).append(record["wire"])
    record["wire"] = wire.value


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
        note: Note | None = None,
    ) -> None:
        """Start the clock for an answer that goes into the journal of `run`; `note` stores each further attempt."""
        self.draft = Draft()
        self.attempts: list[dict[str, Any]] = []
        self.ttft_ms: int | None = None
        """Milliseconds from here to the first delta that was shown."""
        self._run = run
        self._origin = origin_of(route)
        self._message_id = str(run.message_id)
        self._client = client
        self._limits = limits
        self._clock = clock
        self._note = note or _note_nowhere
        self._asked: ModelRequest | None = None
        self._started = clock.monotonic()
        self._chars = 0
        self._deltas = 0

    def restart_clock(self) -> None:
        """Begin to count here: what it has waited for its turn is not the provider's."""
        self._started = self._clock.monotonic()

    @property
    def usage(self) -> Usage | None:
        """Tokens as the provider counted them, else an estimate of what it has been sent and has said."""
        draft = self.draft
        calls = draft.tool_calls_json() or ()
        said = (draft.message_content, draft.reasoning, *(call["function"]["arguments"] for call in calls))
        return draft.usage or estimate_usage(self._asked, said)

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds from the start to now."""
        return self._ms_since(self._started)

    async def ask(self, request: ModelRequest) -> None:
        """Stream the answer, trying again only as long as nothing was shown; raises the last `GatewayError`."""
        self._asked = request
        total_s = request.deadlines.total_s
        deadline = asyncio.timeout(total_s)
        try:
            async with deadline:
                await self._ask(request, deadline)
        except TimeoutError:
            if not deadline.expired():
                raise
            message = f"{self._origin.label} did not finish the answer within {total_s:g} seconds."
            phase = Phase.FIRST_TOKEN if self.ttft_ms is None else Phase.MID_STREAM
            self.attempts[-1]["error"] = ProviderTimeout.code
            raise ProviderTimeout(message, origin=self._origin, phase=phase) from None

    async def _ask(self, request: ModelRequest, deadline: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        for attempt in count(1):
            try:
                await self._attempt(request)
            except GatewayError as error:
                remaining_s = (deadline.when() or 0.0) - loop.time()
                delay_s = self._limits.retry.delay(error, attempt, remaining_s) if self.ttft_ms is None else None
                if delay_s is None:
                    raise
                self._run.journal.append(RunRetrying(attempt=attempt + 1, delay_s=delay_s, reason=error.code))
                await asyncio.sleep(delay_s)
                await self._note((*self.attempts, self._new_attempt()))
            else:
                return

    def _new_attempt(self) -> dict[str, Any]:
        return new_attempt(len(self.attempts) + 1, self._clock)

    async def _attempt(self, request: ModelRequest) -> None:
        record = self._new_attempt()
        self.attempts.append(record)
        self.draft = Draft()
        started = self._clock.monotonic()
        try:
            await self._read(replace(request, on_wire=partial(_note_wire, record)))
        except BaseException as failure:
            record["error"] = _code(failure)
            raise
        finally:
            record["ended_ms"] = self._ms_since(started)

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
                    raise Interrupted(origin=self._origin, phase=Phase.MID_STREAM)
        if self.draft.finish is None:
            raise StreamInterrupted(origin=self._origin)

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
        message = f"The answer of {self._origin.label} is {why}."
        action = "What arrived is kept; ask for less at once."
        raise InvalidProviderResponse(message, action=action, origin=self._origin, phase=Phase.MID_STREAM)

    def _show(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            event = self._event(delta)
            if event is not None:
                self._show_event(event)

    def _show_event(self, event: Event) -> None:
        if self.ttft_ms is None:
            self.ttft_ms = self.elapsed_ms
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


def _code(failure: BaseException) -> str:
    match failure:
        case GatewayError():
            return failure.code
        case asyncio.CancelledError():
            return "cancelled"
        case _:
            return "internal_error"
