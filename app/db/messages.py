"""Queries about messages."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Conversation, Message


async def list_messages(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> Sequence[Message]:
    """Give the messages in the order they were written; none for an unknown or a foreign conversation."""
    mine = select(Message).join(Conversation, Conversation.id == Message.conversation_id)
    mine = mine.where(*_owned(user_id, conversation_id))
    return (await session.scalars(mine.order_by(Message.seq))).all()


async def list_newest_messages(
    session: AsyncSession, *, user_id: str, conversation_id: UUID, max_messages: int, max_chars: int
) -> Sequence[Message]:
    """Give the newest messages in the order they were written, whole turns only: the first one is a user's.

    At most `max_messages`, with `max_chars` code points of text and tool calls together; the newest turn is given
    even when it alone has more. None for an unknown or a foreign conversation.
    """
    mine = _owned(user_id, conversation_id)
    size = func.length(Message.content) + func.coalesce(func.length(cast(Message.tool_calls, Text)), 0)
    newest = (
        select(Message.seq, Message.role, size.label("size"))
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(*mine)
        .order_by(Message.seq.desc())
        .limit(max_messages)
        .subquery()
    )
    # What the model would be sent if it began here.
    total = func.sum(newest.c.size).over(order_by=newest.c.seq.desc()).label("total")
    turns = select(newest.c.seq, newest.c.role, total).subquery()
    fitting = func.min(turns.c.seq).filter(turns.c.total <= max_chars)
    begin = select(func.coalesce(fitting, func.max(turns.c.seq))).where(turns.c.role == "user").scalar_subquery()
    given = select(Message).where(Message.conversation_id == conversation_id, Message.seq >= begin)
    return (await session.scalars(given.order_by(Message.seq))).all()


def _owned(user_id: str, conversation_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return Message.conversation_id == conversation_id, Conversation.user_id == user_id
