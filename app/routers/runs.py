"""Runs: send a message, answer one anew, ask how a run stands, stop it."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from starlette.responses import StreamingResponse

from app import sse
from app.auth.caller import Caller
from app.db import runs, tool_rounds
from app.db.idempotency import Claim
from app.db.messages import get_message
from app.db.models import Run
from app.deps import ChatCallerDep, ConversationId, MessageId, RunId, Services, ServicesDep, left, stream_limits
from app.errors import (
    ConversationBusy,
    CredentialUnreadable,
    IdempotencyMismatch,
    InvalidInput,
    InvalidModelForProvider,
    MissingCredential,
    ModelNotFound,
    NotFound,
    ProviderNotAvailable,
    ProviderRetired,
    ServerShutdown,
    TooManyRuns,
)
from app.events import RunStatus
from app.providers.model import ToolSpec
from app.providers.registry import normalise
from app.quick_send import QuickSend
from app.runs import receipt
from app.runs.prompt import TripNotes
from app.runs.runner import Earlier
from app.runs.send import OnConflict, SendMessage, fingerprint
from app.schemas.error import answers
from app.schemas.run import AwaitedCallAnswer, CancelAnswer, RouteAnswer, RunAnswer
from app.schemas.send_message import KEY, EditBody, RegenerateBody, SendMessageBody, Tool

router: Final = APIRouter(prefix="/api/chat", tags=["runs"])
_REFUSALS: Final = (
    NotFound,
    InvalidInput,
    InvalidModelForProvider,
    ModelNotFound,
    ProviderNotAvailable,
    ProviderRetired,
    MissingCredential,
    CredentialUnreadable,
    ConversationBusy,
    IdempotencyMismatch,
    TooManyRuns,
    ServerShutdown,
)


_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The events of the run, then `[DONE]`", "content": {"text/event-stream": {}}}
}
_NEEDS: Final[dict[str, Literal["result", "approval"]]] = {
    tool_rounds.AWAITED: "result",
    tool_rounds.ASKED: "approval",
}
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="The caller's name for this request; the same one again, within a day, gives the same run.",
    ),
]


async def send_message(  # noqa: PLR0913, PLR0917 - one parameter for each place that a request has
    caller: ChatCallerDep,
    services: ServicesDep,
    conversation_id: ConversationId,
    body: SendMessageBody,
    request: Request,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Store a message and stream its answer; leaving early ends the stream, not the run."""
    _check_length(body.message, services)
    claim = _claim(idempotency_key, conversation_id, body)
    send = _send(caller, conversation_id, body, request, claim, text=body.message, follows=body.parent_id)
    return await _stream(request, services, send)


router.add_api_route(
    "/conversations/{conversation_id}/send_message/",
    send_message,
    methods=["POST"],
    responses=answers(*_REFUSALS, body=True) | _STREAM,
    response_class=StreamingResponse,
    route_class_override=QuickSend,
)


@router.post(
    "/messages/{message_id}/regenerate/",
    responses=answers(*_REFUSALS, body=True) | _STREAM,
    response_class=StreamingResponse,
)
async def regenerate_message(  # noqa: PLR0913, PLR0917 - see `send_message`
    caller: ChatCallerDep,
    services: ServicesDep,
    message_id: MessageId,
    request: Request,
    body: RegenerateBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answer a question anew, on a branch of its own; `message_id` is the question's or an answer's to it."""
    body = body or RegenerateBody()
    conversation_id = await _conversation_of(services, caller, message_id)
    claim = _claim(idempotency_key, message_id, body)
    return await _stream(request, services, _send(caller, conversation_id, body, request, claim, answers_to=message_id))


@router.post(
    "/messages/{message_id}/edit/",
    responses=answers(*_REFUSALS, body=True) | _STREAM,
    response_class=StreamingResponse,
)
async def edit_message(  # noqa: PLR0913, PLR0917 - see `send_message`
    caller: ChatCallerDep,
    services: ServicesDep,
    message_id: MessageId,
    body: EditBody,
    request: Request,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put another message in the place of one of the user's, on a branch of its own, and stream its answer."""
    _check_length(body.message, services)
    conversation_id = await _conversation_of(services, caller, message_id)
    claim = _claim(idempotency_key, message_id, body)
    send = _send(caller, conversation_id, body, request, claim, text=body.message, replaces=message_id)
    return await _stream(request, services, send)


@router.get("/runs/{run_id}/", responses=answers(NotFound))
async def get_run(caller: ChatCallerDep, services: ServicesDep, run_id: RunId) -> RunAnswer:
    """Tell how a run stands or how it ended."""
    async with services.database.read() as session:
        run = await runs.get_run(session, user_id=caller.user_id, run_id=run_id)
        last_seq = run.last_seq or await services.readers.newest(session, run)
        awaited = [
            AwaitedCallAnswer(tool_call_id=call.tool_call_id or "", name=call.name or "", needs=_NEEDS[call.status])
            for call in await tool_rounds.tool_rows(session, run_id)
            if call.status in _NEEDS
        ]
    answer = RunAnswer.model_validate(run)
    if awaited and answer.status is RunStatus.RUNNING:
        results = any(call.needs == "result" for call in awaited)
        status = RunStatus.AWAITING_TOOLS if results else RunStatus.AWAITING_APPROVAL
        answer = answer.model_copy(update={"status": status, "awaited": awaited})
    cancelling = run.cancel_requested and not answer.status.terminal
    return answer.model_copy(update={"last_seq": last_seq, "cancelling": cancelling} | _receipt(run))


def _receipt(run: Run) -> dict[str, Any]:
    last = receipt.last_call(run.attempts)
    route = None if last is None else RouteAnswer(**last)
    return {"route": route, "overhead_ms": receipt.overhead_ms(run.attempts, run.latency_ms)}


@router.post(
    "/runs/{run_id}/cancel/",
    status_code=202,
    responses=answers(NotFound) | {200: {"model": CancelAnswer, "description": "The run was over already"}},
)
async def cancel_run(caller: ChatCallerDep, services: ServicesDep, run_id: RunId, response: Response) -> CancelAnswer:
    """Stop a run and keep what has arrived; asking again changes nothing."""
    status = await services.runner.cancel(caller.user_id, run_id)
    if status.terminal:
        response.status_code = 200
        return CancelAnswer(status=status.value)
    return CancelAnswer(status="cancelling")


async def _stream(request: Request, services: Services, send: SendMessage) -> Response:
    begun = await services.runner.start(send, left=partial(left, request))
    if isinstance(begun, Earlier):
        batches = services.readers.follow(begun.run_id, user_id=send.user_id)
        replayed = {"Idempotency-Replayed": "true"}
    else:
        batches = services.readers.follow_live(begun.journal)
        replayed = {}
    headers = {"X-Run-Id": str(begun.run_id), "X-Message-Id": str(begun.message_id)}
    limits = stream_limits(services.settings)
    return sse.respond(batches, run_id=str(begun.run_id), limits=limits, headers=headers | replayed)


async def _conversation_of(services: Services, caller: Caller, message_id: UUID) -> UUID:
    async with services.database.read() as session:
        message = await get_message(session, user_id=caller.user_id, message_id=message_id)
    return message.conversation_id


def _send(  # noqa: PLR0913 - what a run is asked for
    caller: Caller,
    conversation_id: UUID,
    body: RegenerateBody,
    request: Request,
    claim: Claim | None,
    *,
    text: str | None = None,
    answers_to: UUID | None = None,
    replaces: UUID | None = None,
    follows: UUID | None = None,
) -> SendMessage:
    return SendMessage(
        user_id=caller.user_id,
        conversation_id=conversation_id,
        text=text,
        answers_to=answers_to,
        replaces=replaces,
        follows=follows,
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
        awaits_tools=body.tool_results == "await",
        approves_writes=body.tool_approval == "writes",
        request_id=request.state.request_id,
        on_conflict=OnConflict(body.on_conflict),
        claim=claim,
    )


def _claim(header: str | None, target: UUID, body: RegenerateBody) -> Claim | None:
    """Give the caller's name for the request, from the header or from the body; raises `InvalidInput`."""
    if header is not None and body.client_message_id is not None and header != body.client_message_id:
        text = "The header Idempotency-Key and client_message_id differ."
        raise InvalidInput(text, action="Send one of them.", fields={"client_message_id": [text]})
    key = header if header is not None else body.client_message_id
    if key is None:
        return None
    if not KEY.fullmatch(key):
        text = "An idempotency key has 1 to 255 visible ASCII characters."
        raise InvalidInput(text, action="Send such a key.", fields={"Idempotency-Key": [text]})
    asked = body.model_dump(mode="json", exclude={"client_message_id"})
    return Claim(key=key, fingerprint=fingerprint(type(body).__name__, str(target), asked))


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
