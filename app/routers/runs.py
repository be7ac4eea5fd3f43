"""Runs: send a message and follow its answer, ask how a run stands, stop it."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from app import sse
from app.db import runs
from app.deps import ChatCallerDep, ConversationId, RunId, Services, ServicesDep
from app.errors import (
    ConversationBusy,
    CredentialUnreadable,
    InvalidInput,
    InvalidModelForProvider,
    MissingCredential,
    NotFound,
    ProviderNotAvailable,
    ProviderRetired,
    ServerShutdown,
    TooManyRuns,
)
from app.events import RunStatus
from app.providers.model import ToolSpec
from app.providers.registry import normalise
from app.runs.prompt import TripNotes
from app.runs.runner import SendMessage
from app.schemas.error import answers
from app.schemas.run import CancelAnswer, RunAnswer
from app.schemas.send_message import SendMessageBody, Tool

router: Final = APIRouter(prefix="/api/chat", tags=["runs"])
STORE_SECONDS: Final = 1.5
"""What a stopped run gets, after the grace, to store its end before its readers are cut."""

_REFUSALS: Final = (
    NotFound,
    InvalidInput,
    InvalidModelForProvider,
    ProviderNotAvailable,
    ProviderRetired,
    MissingCredential,
    CredentialUnreadable,
    ConversationBusy,
    TooManyRuns,
    ServerShutdown,
)


@router.post(
    "/conversations/{conversation_id}/send_message/",
    responses=answers(*_REFUSALS, body=True)
    | {200: {"description": "The events of the run, then `[DONE]`", "content": {"text/event-stream": {}}}},
    response_class=StreamingResponse,
)
async def send_message(
    caller: ChatCallerDep,
    services: ServicesDep,
    conversation_id: ConversationId,
    body: SendMessageBody,
    request: Request,
) -> Response:
    """Store a message and stream its answer; leaving early ends the stream, not the run."""
    _check_length(body.message, services)
    run = await services.runner.start(
        SendMessage(
            user_id=caller.user_id,
            conversation_id=conversation_id,
            text=body.message,
            session=caller.session,
            notes=TripNotes(
                collection_id=body.collection_id,
                collection_name=body.collection_name,
                start_date=body.start_date,
                end_date=body.end_date,
                destination=body.destination,
            ),
            provider=normalise(body.provider) if body.provider else None,
            model=body.model,
            tools=_specs(body.tools or ()),
            tool_choice=body.tool_choice if body.tools else None,
            request_id=request.state.request_id,
        )
    )
    return sse.respond(
        run.journal.follow(),
        run_id=str(run.run_id),
        limits=_limits(services),
        headers={"X-Run-Id": str(run.run_id), "X-Message-Id": str(run.message_id)},
    )


@router.get("/runs/{run_id}/", responses=answers(NotFound))
async def get_run(caller: ChatCallerDep, services: ServicesDep, run_id: RunId) -> RunAnswer:
    """Tell how a run stands or how it ended."""
    async with services.database.read() as session:
        return RunAnswer.model_validate(await runs.get_run(session, user_id=caller.user_id, run_id=run_id))


@router.post(
    "/runs/{run_id}/cancel/",
    status_code=202,
    responses=answers(NotFound) | {200: {"model": CancelAnswer, "description": "The run was over already"}},
)
async def cancel_run(caller: ChatCallerDep, services: ServicesDep, run_id: RunId, response: Response) -> CancelAnswer:
    """Stop a run and keep what has arrived; asking again changes nothing."""
    if services.hub.cancel(run_id, caller.user_id):
        return CancelAnswer(status="cancelling")
    async with services.database.read() as session:
        run = await runs.get_run(session, user_id=caller.user_id, run_id=run_id)
    if RunStatus(run.status).terminal:
        response.status_code = 200
    return CancelAnswer(status=run.status)


def _check_length(message: str, services: Services) -> None:
    limit = services.settings.max_message_chars
    if len(message) > limit:
        text = f"The message has more than {limit} characters."
        raise InvalidInput(text, action="Shorten it.", fields={"message": [text]})


def _specs(tools: Sequence[Tool]) -> tuple[ToolSpec, ...]:
    return tuple(
        ToolSpec(name=tool.function.name, description=tool.function.description, parameters=tool.function.parameters)
        for tool in tools
    )


def _limits(services: Services) -> sse.StreamLimits:
    settings = services.settings
    return sse.StreamLimits(
        ping_s=settings.ping_seconds,
        send_s=settings.send_timeout_seconds,
        grace_s=settings.shutdown_grace_seconds + STORE_SECONDS,
    )
