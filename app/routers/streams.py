"""Following a run again: after a reload, on another device, through another replica."""

import re
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from starlette.responses import StreamingResponse

from app import sse
from app.db import runs
from app.db.conversations import get_conversation
from app.db.models import Run
from app.deps import ChatCallerDep, ConversationId, RunId, Services, ServicesDep, stream_limits
from app.errors import InvalidInput, NotFound
from app.events import RunStatus
from app.runs.readers import last_number
from app.schemas.error import answers

router: Final = APIRouter(prefix="/api/chat", tags=["runs"])
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The events after the one named, then `[DONE]`", "content": {"text/event-stream": {}}},
    204: {"description": "Nothing will come: the last event was seen, or no run is active"},
}
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The `id` of the last frame seen; outranks `after`.")
]
After = Annotated[str | None, Query(description="Number of the last event seen; 0 for all.")]


@router.get(
    "/runs/{run_id}/stream/",
    responses=answers(NotFound, InvalidInput) | _ANSWERS,
    response_class=StreamingResponse,
)
async def follow_run(
    caller: ChatCallerDep,
    services: ServicesDep,
    run_id: RunId,
    last_event_id: LastEventId = None,
    after: After = None,
) -> Response:
    """Stream a run from where a reader left off, byte for byte what it would have read, to the run's end."""
    async with services.database.read() as session:
        run = await runs.get_run(session, user_id=caller.user_id, run_id=run_id)
    return await _respond(services, run, _cursor(run_id, last_event_id, after))


@router.get(
    "/conversations/{conversation_id}/stream/",
    responses=answers(NotFound, InvalidInput) | _ANSWERS,
    response_class=StreamingResponse,
)
async def follow_conversation(
    caller: ChatCallerDep,
    services: ServicesDep,
    conversation_id: ConversationId,
    last_event_id: LastEventId = None,
    after: After = None,
) -> Response:
    """Stream the run that is writing in the conversation; 204 where none is.

    A `Last-Event-ID` of an earlier run asks for that one's rest.
    """
    named = _run_of(last_event_id)
    async with services.database.read() as session:
        await get_conversation(session, user_id=caller.user_id, conversation_id=conversation_id)
        if named is not None:
            run = await runs.get_run(session, user_id=caller.user_id, run_id=named)
        else:
            run = await runs.active_run(session, user_id=caller.user_id, conversation_id=conversation_id)
    if run is None:
        _cursor(named or conversation_id, last_event_id, after)
        return Response(status_code=204)
    if run.conversation_id != conversation_id:
        raise NotFound
    return await _respond(services, run, _cursor(run.id, last_event_id, after))


def _cursor(run_id: UUID, last_event_id: str | None, after: str | None) -> int:
    """Give the number of the last event seen, 0 for none; raises `InvalidInput`."""
    if last_event_id:
        named, _, number = last_event_id.rpartition(":")
        if named not in {"", str(run_id)} or not _NUMBER.fullmatch(number):
            text = "This is not the id of an event of this run."
            raise InvalidInput(text, action="Send the id of a frame as it was.", fields={"Last-Event-ID": [text]})
        return int(number)
    if after and not _NUMBER.fullmatch(after):
        text = "This is not the number of an event."
        raise InvalidInput(text, action="Send 0 or the seq of an event.", fields={"after": [text]})
    return int(after or 0)


def _run_of(last_event_id: str | None) -> UUID | None:
    """Give the run that a `Last-Event-ID` names; raises `InvalidInput`."""
    named = (last_event_id or "").rpartition(":")[0]
    if not named:
        return None
    try:
        return UUID(named)
    except ValueError:
        text = "This is not the id of an event."
        raise InvalidInput(text, action="Send the id of a frame as it was.", fields={"Last-Event-ID": [text]}) from None


async def _respond(services: Services, run: Run, after: int) -> Response:
    async with services.database.read() as session:
        last_seq = await services.readers.newest(session, run)
    over = RunStatus(run.status).terminal
    if over and not last_seq:
        last_seq = last_number(run)
    if over and after == last_seq:
        return Response(status_code=204)
    if after > last_seq:
        text = f"The newest event of this run is number {last_seq}."
        raise InvalidInput(text, action="Ask for what comes after one that you have seen.", fields={"after": [text]})
    batches = services.readers.follow(run.id, after, user_id=run.user_id)
    limits = stream_limits(services.settings)
    headers = {"X-Run-Id": str(run.id), "X-Message-Id": str(run.message_id)}
    return sse.respond(batches, run_id=str(run.id), limits=limits, headers=headers)
