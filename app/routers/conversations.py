"""What is kept of conversations: list, create, read, rename, delete."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter

from app.db import conversations, messages, runs
from app.db.models import Conversation, Message, Run
from app.db.session import Session
from app.db.tool_rounds import OPEN
from app.deps import ChatCallerDep, ConversationId, Services, ServicesDep
from app.errors import NotFound, text_with_error
from app.events import RunStatus
from app.schemas.conversation import (
    ActiveRun,
    ConversationAnswer,
    ConversationLine,
    ConversationTitle,
    MessageAnswer,
)
from app.schemas.error import answers

router: Final = APIRouter(prefix="/api/chat/conversations", tags=["conversations"])


@router.get("/", responses=answers())
async def list_conversations(caller: ChatCallerDep, services: ServicesDep) -> list[ConversationLine]:
    """List the caller's conversations, the one that changed last first."""
    async with services.database.read() as session:
        found = await conversations.list_conversations(session, user_id=caller.user_id)
    return [ConversationLine.model_validate(conversation) for conversation in found]


@router.post("/", status_code=201, responses=answers(body=True))
async def create_conversation(
    caller: ChatCallerDep, services: ServicesDep, body: ConversationTitle | None = None
) -> ConversationAnswer:
    """Create an empty conversation; the body may be left out."""
    async with services.database.write() as session:
        created = await conversations.create_conversation(
            session,
            user_id=caller.user_id,
            conversation_id=services.runner.new_id(),
            title=body.title if body else "",
            now=services.runner.clock.now(),
        )
        return await _read(services, session, created)


@router.get("/{conversation_id}/", responses=answers(NotFound))
async def get_conversation(
    caller: ChatCallerDep, services: ServicesDep, conversation_id: ConversationId, *, all_branches: bool = False
) -> ConversationAnswer:
    """Give one conversation with the messages of its newest branch, or of all, the running one included."""
    async with services.database.read() as session:
        found = await conversations.get_conversation(session, user_id=caller.user_id, conversation_id=conversation_id)
        return await _read(services, session, found, all_branches=all_branches)


@router.patch("/{conversation_id}/", responses=answers(NotFound, body=True))
@router.put("/{conversation_id}/", responses=answers(NotFound, body=True))
async def rename_conversation(
    caller: ChatCallerDep, services: ServicesDep, conversation_id: ConversationId, body: ConversationTitle | None = None
) -> ConversationAnswer:
    """Set the title, the only thing a caller writes; without one the conversation only moves to the top."""
    async with services.database.write() as session:
        renamed = await conversations.rename_conversation(
            session,
            user_id=caller.user_id,
            conversation_id=conversation_id,
            title=body.title if body is not None and "title" in body.model_fields_set else None,
            now=services.runner.clock.now(),
        )
        return await _read(services, session, renamed)


@router.delete("/{conversation_id}/", status_code=204, responses=answers(NotFound))
async def delete_conversation(caller: ChatCallerDep, services: ServicesDep, conversation_id: ConversationId) -> None:
    """Delete a conversation with its messages; a run that is still writing in it is stopped."""
    async with services.database.write() as session:
        active = await runs.active_run_ids(session, user_id=caller.user_id, conversation_id=conversation_id)
        await conversations.delete_conversation(session, user_id=caller.user_id, conversation_id=conversation_id)
    for run_id in active:
        services.hub.cancel(run_id, caller.user_id)


async def _read(
    services: Services, session: Session, conversation: Conversation, *, all_branches: bool = False
) -> ConversationAnswer:
    user_id, conversation_id = conversation.user_id, conversation.id
    written = await messages.list_messages(
        session, user_id=user_id, conversation_id=conversation_id, all_branches=all_branches
    )
    active = await runs.active_run(session, user_id=user_id, conversation_id=conversation_id)
    last_seq = await services.readers.newest(session, active) if active is not None else 0
    by_seq = {message.seq: message.id for message in written}
    return ConversationAnswer(
        id=conversation.id,
        title=conversation.title,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        messages=[_message(message, by_seq) for message in written if not _is_open_call(message)],
        active_run=_active_run(active, last_seq),
    )


def _active_run(run: Run | None, last_seq: int) -> ActiveRun | None:
    if run is None:
        return None
    queued = run.status == RunStatus.QUEUED
    return ActiveRun(id=run.id, status=RunStatus.QUEUED if queued else RunStatus.RUNNING, last_seq=last_seq)


def _is_open_call(message: Message) -> bool:
    """Tell whether it is a call that is under way: it has no result yet, and the Voyage UI reads each one as JSON."""
    return message.role == "tool" and message.status in OPEN


def _message(message: Message, by_seq: Mapping[int, UUID]) -> MessageAnswer:
    """Give a message as a person saw it: the Voyage UI knows no other place for the error of an answer."""
    parent_seq = message.parent_seq if message.parent_seq is not None else message.seq - 1
    changes: dict[str, Any] = {"parent_id": by_seq.get(parent_seq)}
    if message.error is not None:
        changes["content"] = text_with_error(message.content, str(message.error["error"]))
    return MessageAnswer.model_validate(message).model_copy(update=changes)
