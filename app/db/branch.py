"""Which messages of a conversation are on one branch: a new answer to an old message leaves the later ones aside.

A message follows the one before it by `seq`, unless its `parent_seq` names another. So a branch is a few unbroken
ranges of `seq`, and a conversation that never branched is one range, without a value in any row.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.direct import direct
from app.db.models import Message

ROOT: Final = 0
"""The `parent_seq` of a message that follows none."""
MAX_RANGES: Final = 200
"""More than a model is ever sent; SQLite refuses a condition of a thousand parts."""


_TURNS: Final = direct(
    select(Message.seq, Message.parent_seq)
    .where(Message.conversation_id == bindparam("p_id"), Message.parent_seq.is_not(None))
    .order_by(Message.seq.desc())
)


def on_ranges(spans: list[tuple[int, int]]) -> ColumnElement[bool]:
    """Give the condition that a message is in one of the newest `MAX_RANGES` ranges of its branch."""
    return or_(*(Message.seq.between(first, last) for first, last in spans[:MAX_RANGES]))


async def turns_of(session: AsyncSession, conversation_id: UUID) -> list[tuple[int, int]]:
    """Give `seq` and `parent_seq` of the messages that do not follow the one before them, the newest first."""
    return [(row.seq, row.parent_seq) for row in await session.execute(_TURNS, {"p_id": conversation_id})]


def ranges(turning: list[tuple[int, int]], leaf: int) -> list[tuple[int, int]]:
    """Give the ranges of `seq` from `leaf` back to the root; `turning` has (seq, parent_seq), the newest first."""
    found: list[tuple[int, int]] = []
    for seq, parent_seq in turning:
        if seq <= leaf and parent_seq != seq - 1:
            found.append((seq, leaf))
            leaf = parent_seq
    return [*found, (ROOT + 1, leaf)] if leaf > ROOT else found or [(ROOT, ROOT)]
