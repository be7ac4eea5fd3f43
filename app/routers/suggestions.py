"""Places for one day of a trip, in one answer that is not streamed and not stored."""

import asyncio
from typing import Final

from fastapi import APIRouter, Request

from app.deps import ChatCallerDep, Services, ServicesDep, left
from app.errors import (
    AuthenticationFailed,
    Cancelled,
    ContentFiltered,
    CredentialUnreadable,
    Forbidden,
    InvalidModelForProvider,
    InvalidProviderResponse,
    MissingCredential,
    ModelNotFound,
    NotFound,
    ProviderNotAvailable,
    ProviderRetired,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
    ServerShutdown,
    TooManyRuns,
    VoyageUnavailable,
)
from app.runs.admission import BUSY_RETRY_S
from app.runs.suggest import Asker, Suggester
from app.runs.suggestions_prompt import DayWishes
from app.runs.suggestions_reader import Suggestion
from app.schemas.error import answers
from app.schemas.suggestion import DaySuggestionsAnswer, DaySuggestionsBody, SuggestionAnswer

router: Final = APIRouter(prefix="/api/chat/suggestions", tags=["suggestions"])

_REFUSALS: Final = (
    Forbidden,
    NotFound,
    VoyageUnavailable,
    InvalidModelForProvider,
    ProviderNotAvailable,
    ProviderRetired,
    MissingCredential,
    CredentialUnreadable,
    TooManyRuns,
    ServerShutdown,
)
_FAILURES: Final = (
    AuthenticationFailed,
    RateLimited,
    ContentFiltered,
    ModelNotFound,
    InvalidProviderResponse,
    ProviderUnreachable,
    ProviderUnavailable,
    ProviderTimeout,
)


@router.post("/day/", responses=answers(*_REFUSALS, *_FAILURES, body=True), response_model_exclude_none=True)
async def suggest_day(
    caller: ChatCallerDep, services: ServicesDep, body: DaySuggestionsBody, request: Request
) -> DaySuggestionsAnswer:
    """Ask the model for up to five places; leaving early ends the call."""
    asker = Asker(user_id=caller.user_id, session=caller.session, provider=body.provider, model=body.model)
    wishes = DayWishes(
        collection_id=body.collection_id,
        day=body.date,
        category=body.category,
        filters=body.filters.model_dump(),
        location=body.location_context,
    )
    asking = asyncio.create_task(_suggester(services).suggest(asker, wishes), name="suggest day")
    places = await _while_there(request, asking)
    return DaySuggestionsAnswer(suggestions=[SuggestionAnswer.model_validate(place) for place in places])


def _suggester(services: Services) -> Suggester:
    runner = services.runner
    return Suggester(
        database=services.database,
        vault=services.vault,
        registry=services.registry,
        client=runner.client,
        hub=services.hub,
        voyage=services.voyage,
        instance_key=runner.instance_key,
        models=runner.models,
        limits=runner.limits,
        budget=runner.budget,
        clock=runner.clock,
        new_id=runner.new_id,
    )


async def _while_there(request: Request, asking: "asyncio.Task[tuple[Suggestion, ...]]") -> tuple[Suggestion, ...]:
    """Give what `asking` gives; end it as soon as nobody is there to have it, as nothing of it is kept."""
    leaving = asyncio.create_task(left(request), name="suggest day: caller leaves")
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            raise Cancelled
        if asking.cancelled():
            raise ServerShutdown(retry_after_s=BUSY_RETRY_S)
        return asking.result()
    finally:
        leaving.cancel()
        asking.cancel()
        await asyncio.wait({asking, leaving})
