"""Queries about messages."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, bindparam, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.branch import ROOT, on_ranges, ranges, turns_of
from app.db.direct import direct
from app.db.models import Conversation, Message, Run
from app.errors import NotFound


async def list_messages(
    session: AsyncSession, *, user_id: str, conversation_id: UUID, all_branches: bool = False
) -> Sequence[Message]:
    """Give the messages of the newest branch in the order they were written, or those of all branches.

    None for an unknown or a foreign conversation.
    """
    mine = select(Message).join(Conversation, Conversation.id == Message.conversation_id)
    mine = mine.where(*_owned(user_id, conversation_id))
    written = (await session.scalars(mine.order_by(Message.seq))).all()
    turning = await turns_of(session, conversation_id) if written and not all_branches else []
    if not turning:
        return written
    # Here and not in the query: a branch may have any number of ranges.
    kept = {seq for first, last in ranges(turning, written[-1].seq) for seq in range(first, last + 1)}
    return [message for message in written if message.seq in kept]


async def list_newest_messages(  # noqa: PLR0913 - which branch of what, and two bounds
    session: AsyncSession, *, user_id: str, conversation_id: UUID, leaf: int, max_messages: int, max_chars: int
) -> Sequence[Message]:
    """Give the newest messages of the branch that ends in `leaf`, whole turns only: the first one is a user's.

    At most `max_messages`, with `max_chars` code points of text and tool calls together; the newest turn is given
    even when it alone has more. In the order they were written; none for an unknown or a foreign conversation.
    """
    values = {
        "p_user": user_id,
        "p_id": conversation_id,
        "p_leaf": leaf,
        "p_messages": max_messages,
        "p_chars": max_chars,
    }
    # Another answer, or another question, comes after the first two messages.
    turning = await turns_of(session, conversation_id) if leaf > ROOT + 2 else []
    spans = ranges(turning, leaf)
    newest = _newest(on_ranges(spans)) if len(spans) > 1 or spans[0][0] > ROOT + 1 else _NEWEST
    return (await session.scalars(newest, values)).all()


def _newest(branch: ColumnElement[bool]) -> Select[Message]:
    size = func.length(Message.content) + func.coalesce(func.length(cast(Message.tool_calls, Text)), 0)
    newest = (
        select(Message.seq, Message.role, size.label("size"))
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.conversation_id == bindparam("p_id"), Conversation.user_id == bindparam("p_user"), branch)
        .order_by(Message.seq.desc())
        .limit(bindparam("p_messages"))
        .subquery()
    )
    # What the model would be sent if it began here.
    total = func.sum(newest.c.size).over(order_by=newest.c.seq.desc()).label("total")
    turns = select(newest.c.seq, newest.c.role, total).subquery()
    fitting = func.min(turns.c.seq).filter(turns.c.total <= bindparam("p_chars"))
    begin = select(func.coalesce(fitting, func.max(turns.c.seq))).where(turns.c.role == "user").scalar_subquery()
    given = select(Message).where(Message.conversation_id == bindparam("p_id"), Message.seq >= begin, branch)
    return given.order_by(Message.seq)


_NEWEST: Final = direct(_newest(Message.seq <= bindparam("p_leaf")))
"""For a conversation without branches, built once: building it takes longer than running it."""


async def count_before(session: AsyncSession, *, conversation_id: UUID, leaf: int, seq: int) -> int:
    """Give how many messages of the branch that ends in `leaf` stand before `seq`; the caller has checked whose."""
    spans = ranges(await turns_of(session, conversation_id), leaf)
    return sum(max(0, min(last, seq - 1) - first + 1) for first, last in spans)


async def get_message(session: AsyncSession, *, user_id: str, message_id: UUID) -> Message:
    """Give one message of the user's; raises `NotFound`."""
    mine = select(Message).join(Conversation, Conversation.id == Message.conversation_id)
    message = await session.scalar(mine.where(Message.id == message_id, Conversation.user_id == user_id))
    if message is None:
        raise NotFound
    return message


async def last_of_answer(session: AsyncSession, message: Message) -> Message:
    """Give the last message of the run that wrote `message`, the result of a call included; without one itself."""
    last = select(Message).join(Run, Run.message_id == Message.id).where(Run.id == message.run_id)
    return message if message.run_id is None else await session.scalar(last) or message


async def question_of(session: AsyncSession, answer: Message) -> Message | None:
    """Give the user's message that the turn of `answer` begins with, if there is one."""
    asked = select(Message).where(Message.conversation_id == answer.conversation_id, Message.role == "user")
    asked = asked.where(on_ranges(ranges(await turns_of(session, answer.conversation_id), answer.seq)))
    return await session.scalar(asked.order_by(Message.seq.desc()).limit(1))


def _owned(user_id: str, conversation_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return Message.conversation_id == conversation_id, Conversation.user_id == user_id
