"""Queries about conversations; a foreign one is as absent as an unknown one."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Conversation
from app.errors import NotFound


async def list_conversations(session: AsyncSession, *, user_id: str) -> Sequence[Conversation]:
    """Give the user's conversations, the one that changed last first."""
    mine = select(Conversation).where(Conversation.user_id == user_id)
    return (await session.scalars(mine.order_by(Conversation.updated_at.desc(), Conversation.id))).all()


async def create_conversation(
    session: AsyncSession, *, user_id: str, conversation_id: UUID, title: str, now: datetime
) -> Conversation:
    """Store a new conversation; `title` has at most 255 characters."""
    conversation = Conversation(
        id=conversation_id, user_id=user_id, title=title, next_seq=1, created_at=now, updated_at=now
    )
    session.add(conversation)
    await session.flush()
    return conversation


async def get_conversation(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> Conversation:
    """Give one conversation of the user; raises `NotFound`."""
    mine = select(Conversation).where(Conversation.id == conversation_id, Conversation.user_id == user_id)
    conversation = await session.scalar(mine)
    if conversation is None:
        raise NotFound
    return conversation


async def rename_conversation(
    session: AsyncSession, *, user_id: str, conversation_id: UUID, title: str | None, now: datetime
) -> Conversation:
    """Set the title, or with None the time alone, and give the conversation; raises `NotFound`."""
    changed = {"updated_at": now} if title is None else {"updated_at": now, "title": title}
    renamed = (
        update(Conversation)
        .where(Conversation.id == conversation_id, Conversation.user_id == user_id)
        .values(changed)
        .returning(Conversation)
    )
    conversation = await session.scalar(renamed, execution_options={"populate_existing": True})
    if conversation is None:
        raise NotFound
    return conversation


async def delete_conversation(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> None:
    """Remove the conversation with its messages and runs; raises `NotFound`."""
    mine = delete(Conversation).where(Conversation.id == conversation_id, Conversation.user_id == user_id)
    if await session.scalar(mine.returning(Conversation.id)) is None:
        raise NotFound
