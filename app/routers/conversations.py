"""What is kept of conversations: list, create, read, rename, delete."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter

from app.db import conversations, messages
from app.db.models import Conversation, Message
from app.db.runs import active_run_id
from app.deps import ChatCallerDep, ConversationId, ServicesDep
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
    return _answer(created, ())


@router.get("/{conversation_id}/", responses=answers(NotFound))
async def get_conversation(
    caller: ChatCallerDep, services: ServicesDep, conversation_id: ConversationId
) -> ConversationAnswer:
    """Give one conversation with its messages, the running one included."""
    async with services.database.read() as session:
        found = await conversations.get_conversation(session, user_id=caller.user_id, conversation_id=conversation_id)
        written = await messages.list_messages(session, user_id=caller.user_id, conversation_id=conversation_id)
    return _answer(found, written)


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
        written = await messages.list_messages(session, user_id=caller.user_id, conversation_id=conversation_id)
    return _answer(renamed, written)


@router.delete("/{conversation_id}/", status_code=204, responses=answers(NotFound))
async def delete_conversation(caller: ChatCallerDep, services: ServicesDep, conversation_id: ConversationId) -> None:
    """Delete a conversation with its messages; a run that is still writing in it is stopped."""
    async with services.database.write() as session:
        active = await active_run_id(session, user_id=caller.user_id, conversation_id=conversation_id)
        await conversations.delete_conversation(session, user_id=caller.user_id, conversation_id=conversation_id)
    if active is not None:
        services.hub.cancel(active, caller.user_id)


def _answer(conversation: Conversation, written: Sequence[Message]) -> ConversationAnswer:
    return ConversationAnswer(
        id=conversation.id,
        title=conversation.title,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        messages=[_message(message) for message in written],
        active_run=_active_run(written),
    )


def _message(message: Message) -> MessageAnswer:
    """Give a message as a person saw it: the Voyage UI knows no other place for the error of an answer."""
    answer = MessageAnswer.model_validate(message)
    if message.error is None:
        return answer
    return answer.model_copy(update={"content": text_with_error(message.content, str(message.error["error"]))})


def _active_run(written: Sequence[Message]) -> ActiveRun | None:
    running = (message.run_id for message in written if message.status == RunStatus.RUNNING.value)
    run_id = next(running, None)
    return ActiveRun(id=run_id) if run_id is not None else None
