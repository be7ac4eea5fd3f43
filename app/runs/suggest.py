"""Places for one day of a trip: one model call that nobody reads along with, and nothing is stored."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar, final
from uuid import UUID

import structlog

from app.db.session import Database
from app.errors import (
    Cancelled,
    Forbidden,
    GatewayError,
    InvalidProviderResponse,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    Origin,
    Phase,
    VoyageUnavailable,
)
from app.events import FinishReason, RunStatus
from app.providers.model import ModelClient, ModelRequest
from app.providers.model_lookup import ModelLookup
from app.providers.provider import Route
from app.providers.registry import Registry
from app.runs.answer import Answer, origin_of
from app.runs.choice import choose
from app.runs.clock import Clock
from app.runs.context import gather
from app.runs.credentials import InstanceKey, find_api_key
from app.runs.ending import Ending
from app.runs.hub import RunHub
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.model_call import failure_of
from app.runs.outcome import Outcome, judge
from app.runs.plan import check_model
from app.runs.retry_budget import RetryBudget
from app.runs.suggestions_prompt import TOOL, DayWishes, to_messages
from app.runs.suggestions_reader import Suggestion, read_suggestions
from app.secret import Secret
from app.vault import Vault
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient
from app.voyage.preferences import Preferences
from app.voyage.trips import Trip, fetch_trip

TOTAL_S: Final = 45.0
"""Nothing is sent before everything is there, and many proxies end a response that is silent for 60 seconds; reading
the trip and closing the call need some of them. Nor does a person wait longer before an empty dialog."""
MAX_ANSWER_CHARS: Final = 200_000
"""Reasoning counts in: some models write far more of it than of the answer. There is no limit in tokens, as models
that reason would spend it before they answer."""
_AGAIN: Final = "Ask again."
_AGAIN_OR_OTHER: Final = "Ask again, or choose another model."
_Result = TypeVar("_Result")
_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and what they want to be answered by."""

    user_id: str
    session: Secret | None
    """Theirs at Voyage; without one no trip can be read."""
    provider: str | None = None
    model: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Suggester:
    """Turns wishes for a day into places; everything replaceable is given to it."""

    database: Database
    vault: Vault | None
    registry: Registry
    client: ModelClient
    hub: RunHub
    voyage: VoyageClient | None
    instance_key: InstanceKey | None = None
    models: ModelLookup | None = None
    limits: RunLimits = field(default_factory=RunLimits)
    budget: RetryBudget = field(default_factory=RetryBudget)
    clock: Clock = field(default_factory=Clock)
    new_id: Callable[[], UUID] = uuid.uuid4

    async def suggest(self, asker: Asker, wishes: DayWishes) -> tuple[Suggestion, ...]:
        """Ask the model, as the caller; being cancelled closes the call.

        Raises `Forbidden` where no trip can be read, `NotFound` for a trip that is not the caller's,
        `VoyageUnavailable`, what `choose`, `find_api_key` and `check_model` raise, `TooManyRuns`, `ServerShutdown`,
        and what a run would end with. An answer that is cut off, or in which nothing can be used, is
        `InvalidProviderResponse`: Voyage gives an empty list for it, which reads as if there were no such places. An
        empty list of the model's own stays one.
        """
        if self.voyage is None or asker.session is None:
            message = "A trip can only be read with the caller's own session at Voyage, and this request has none."
            raise Forbidden(message, action="Sign in to Voyage and ask from there.")
        route = await choose(
            self.database,
            self.registry,
            self.instance_key,
            user_id=asker.user_id,
            provider=asker.provider,
            model=asker.model,
        )
        key = await find_api_key(self.database, self.vault, self.instance_key, user_id=asker.user_id, route=route)
        route = key.route
        if self.models is not None:
            check_model(self.models, self.instance_key, route, key)
        run = self._run(asker.user_id, route)
        # The caps hold for reading the trip as well: the connections to Voyage are few, and everybody's.
        async with self.hub.hold(run):
            reading = self._context(self.voyage, asker.session, wishes.collection_id)
            trip, preferences = await _stoppable(run, reading)
            request = ModelRequest(
                route=route,
                api_key=key.secret,
                own_key=key.own,
                messages=to_messages(wishes, trip, preferences),
                tools=(TOOL,),
                tool_choice=TOOL.name,
                deadlines=replace(route.provider.deadlines, total_s=min(route.provider.deadlines.total_s, TOTAL_S)),
                session_id=str(run.run_id),
            )
            return await self._answered(run, request)

    async def _context(
        self, voyage: VoyageClient, session: Secret, collection_id: UUID
    ) -> tuple[Trip, Preferences | None]:
        """Read trip and preferences at once; only the trip must be there."""
        likes = gather(voyage, session, None, seconds=self.limits.context_s)
        reading = asyncio.create_task(likes, name="suggest day: preferences")
        try:
            trip = await fetch_trip(voyage, session, collection_id)
            if trip is None:
                text = "There is no such trip of yours."
                raise NotFound(text, action="Check the id.", fields={"collection_id": [text]})
            _, preferences = await reading
        except VoyageAway as away:
            _log.warning("voyage_away", part="trip", reason=away.reason)
            raise VoyageUnavailable(retry_after_s=away.wait_s()) from None
        finally:
            reading.cancel()
            await asyncio.wait({reading})
        return trip, preferences

    def _run(self, user_id: str, route: Route) -> LiveRun:
        """Give a run for the machinery of answers; no conversation and no message has its id."""
        one = self.new_id()
        return LiveRun(
            run_id=one,
            user_id=user_id,
            conversation_id=one,
            user_message_id=one,
            message_id=one,
            provider=route.provider.id,
            model=route.model,
        )

    async def _answered(self, run: LiveRun, request: ModelRequest) -> tuple[Suggestion, ...]:
        limits = replace(self.limits, max_answer_chars=min(self.limits.max_answer_chars, MAX_ANSWER_CHARS))
        answer = Answer(run, request.route, client=self.client, limits=limits, clock=self.clock, budget=self.budget)
        asking = asyncio.create_task(_ask(answer, request), name=f"suggest {run.run_id}")
        run.attach(asking)
        seconds = request.deadlines.total_s + self.limits.close_s
        try:
            failure = await failure_of(asking, run, seconds=seconds, origin=origin_of(request.route))
        finally:
            asking.cancel()
            await asyncio.wait({asking}, timeout=self.limits.close_s)
        result = _result(answer, failure, run.stopped_by, origin_of(request.route))
        failed = isinstance(result, GatewayError)
        outcome = Outcome(RunStatus.FAILED, result) if failed else Outcome(RunStatus.COMPLETED)
        _log.info("suggestions.ended", **Ending(run=run, request_id=None, outcome=outcome).of(answer, outcome).logged())
        if isinstance(result, GatewayError):
            raise result
        return result


async def _stoppable(run: LiveRun, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Give what `work` gives; raises what the run was stopped by, as a shutdown does it, and `work` ends then."""
    working = asyncio.create_task(work, name=f"suggest {run.run_id}: reading")
    run.attach(working)
    try:
        return await working
    except asyncio.CancelledError:
        if run.stopped_by is None:
            raise
        raise run.stopped_by from None


async def _ask(answer: Answer, request: ModelRequest) -> None:
    """Ask with the tool and, where that is refused, once more without: not every model takes tools."""
    try:
        await answer.ask(request)
    except (InvalidRequest, ModelNotFound):
        # OpenRouter says 404 when no host of the model takes tools.
        left_s = request.deadlines.total_s - answer.elapsed_ms / 1000
        if answer.ttft_ms is not None or left_s <= 0:
            raise
        deadlines = replace(request.deadlines, total_s=left_s)
        await answer.ask(replace(request, tools=(), tool_choice=None, deadlines=deadlines))


def _result(
    answer: Answer, failure: BaseException | None, stopped_by: GatewayError | None, origin: Origin
) -> tuple[Suggestion, ...] | GatewayError:
    """Give the places, or why there are none; half an answer is none here, and nothing of it is kept."""
    finish = answer.draft.finish
    if failure is not None or finish is FinishReason.CONTENT_FILTER:
        error = judge(answer.draft, failure, stopped_by, origin=origin).error or Cancelled()
        if error.phase is Phase.MID_STREAM:
            error.action = _AGAIN
        return error
    if finish is FinishReason.LENGTH:
        places, fault = None, "was cut off at its length limit"
    else:
        calls = [str(call["function"]["arguments"]) for call in answer.draft.tool_calls_json() or ()]
        places, fault = read_suggestions(calls, answer.draft.message_content), "is no list of places"
    if places is not None:
        return places
    message = f"The answer of {origin.label} {fault}."
    return InvalidProviderResponse(message, action=_AGAIN_OR_OTHER, origin=origin, phase=Phase.MID_STREAM)
