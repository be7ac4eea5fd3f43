"""Queries about messages."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Conversation, Message


async def list_messages(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> Sequence[Message]:
    """Give the messages in the order they were written; none for an unknown or a foreign conversation."""
    mine = (
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.conversation_id == conversation_id, Conversation.user_id == user_id)
    )
    return (await session.scalars(mine.order_by(Message.seq))).all()
