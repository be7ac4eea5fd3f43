"""Queries about the steps of a run that call tools: their messages, and what became of each call.

The state of a call is the status of the message that will hold its result. It is `running`, or `writing` where the
call may change something, before the call is made; whoever ends the run without its process can tell from it what is
not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Conversation, Message, Replica, Run
from app.events import RunStatus

RUNNING: Final = "running"
WRITING: Final = "writing"
QUEUED: Final = "queued"
"""It may change something, and waits until others of its step are over; it becomes `WRITING` before it is made."""
AWAITED: Final = "awaited"
"""The caller carries it out."""
ASKED: Final = "asked"
"""The caller is to approve it."""
APPROVED: Final = "approved"
"""The caller has; it becomes `WRITING` before it is made."""
SENT: Final = "sent"
"""The caller has sent its result, which the process that has the run in hand is to take and show."""
SENT_FAILED: Final = "sent_failed"
"""The same, of a call that failed or was not approved."""
NOT_KNOWN: Final = {
    "error": "It is not known whether this call was carried out. Check before it is repeated.",
    "outcome": "unknown",
}
CLOSED: Final[dict[str, tuple[Literal["completed", "failed", "unknown"], dict[str, Any] | None]]] = {
    RUNNING: ("failed", {"error": "This call was not finished."}),
    WRITING: ("unknown", NOT_KNOWN),
    QUEUED: ("failed", {"error": "This call was not carried out."}),
    AWAITED: ("failed", {"error": "No result of this call was sent."}),
    ASKED: ("failed", {"error": "This call was not approved."}),
    APPROVED: ("failed", {"error": "This call was not carried out."}),
    SENT: ("completed", None),
    SENT_FAILED: ("failed", None),
}
"""What becomes of a call whose run ends before its result was shown, by the status it has then.

None leaves the result that is there.
"""
OPEN: Final = tuple(CLOSED)
"""Statuses of a call whose result was not shown."""
HELD: Final = (AWAITED, ASKED)
"""Those of a call for which the caller has not done its part."""
ANSWERED: Final = (APPROVED, SENT, SENT_FAILED)
"""Those of one for which it has, and the process that has the run in hand has not."""
STAYING: Final = (*HELD, *ANSWERED)
"""Those of a call that another process can go on with."""
ENDING: Final = (RUNNING, WRITING, QUEUED)
"""Those of a call that ends with the process that makes it."""
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """A call that is about to be made."""

    row_id: UUID
    call_id: str
    name: str
    status: str
    """`RUNNING`, `WRITING`, `QUEUED`, `AWAITED` or `ASKED`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the model said in a step that calls tools."""

    content: str
    tool_calls: list[dict[str, Any]]
    finish_reason: str | None
    usage: dict[str, Any] | None
    provider: str
    model: str


async def begin_round(  # noqa: PLR0913 - what one step leaves, and what the next one needs
    session: AsyncSession,
    *,
    run_id: UUID,
    epoch: int,
    said: Said,
    calls: Sequence[NewCall],
    next_message_id: UUID,
    now: datetime,
) -> bool:
    """Store what the model said, that these calls are being made, and the empty message of the step after them.

    False, and nothing changes, where the run is not in hand here any more. The messages follow one another on the
    run's branch; those that wait for the run come after the last of them.
    """
    held = (Run.id == run_id, Run.epoch == epoch, Run.status == RunStatus.RUNNING.value)
    run = await session.scalar(select(Run).where(*held).execution_options(populate_existing=True))
    if run is None:
        return False
    if run.message_id == next_message_id:
        return True  # stored by a try whose outcome was not known
    locked = select(Conversation).where(Conversation.id == run.conversation_id).with_for_update()
    conversation = await session.scalar(locked.execution_options(populate_existing=True))
    leaf = await session.scalar(select(Message.seq).where(Message.id == run.message_id))
    if conversation is None or leaf is None:
        return False
    done = {"content": said.content, "tool_calls": said.tool_calls, "status": RunStatus.COMPLETED.value}
    counted = {"finish_reason": said.finish_reason, "usage": said.usage}
    by: dict[str, Any] = {"provider": said.provider, "model": said.model}
    changed = update(Message).where(Message.id == run.message_id).values(**done, **counted, **by)
    await session.execute(changed, execution_options=_UNSYNCHRONIZED)
    added = len(calls) + 1
    await _make_room(session, conversation.id, after=leaf, rows=added)
    common: dict[str, Any] = {"conversation_id": conversation.id, "run_id": run_id, "created_at": now}
    for seq, call in enumerate(calls, start=leaf + 1):
        result = {"role": "tool", "content": "", "tool_call_id": call.call_id, "name": call.name, "status": call.status}
        session.add(Message(id=call.row_id, seq=seq, **common, **result))
    empty = {"role": "assistant", "content": "", "status": RunStatus.RUNNING.value}
    session.add(Message(id=next_message_id, seq=leaf + added, **common, **empty, **by))
    await session.flush()
    conversation.next_seq, conversation.updated_at = conversation.next_seq + added, now
    run.message_id = next_message_id
    await session.flush()
    return True


async def _make_room(session: AsyncSession, conversation_id: UUID, *, after: int, rows: int) -> None:
    """Move the messages that wait for the run behind what it says next."""
    later = (Message.conversation_id == conversation_id, Message.seq > after)
    moved = update(Message).where(*later)
    # By way of numbers that nobody has: each row is checked against all others as it changes.
    for values in ({"seq": -(Message.seq + rows)}, {"seq": -Message.seq}):
        await session.execute(moved.values(**values), execution_options=_UNSYNCHRONIZED)
        moved = update(Message).where(Message.conversation_id == conversation_id, Message.seq < 0)
    # What names the running message as its parent waits for it too: the edit of a message that waited.
    parents = update(Message).where(Message.conversation_id == conversation_id, Message.parent_seq >= after)
    await session.execute(parents.values(parent_seq=Message.parent_seq + rows), execution_options=_UNSYNCHRONIZED)


async def put_result(session: AsyncSession, *, row_id: UUID, status: str, content: str) -> bool:
    """Store what came of a call; False where the run has been ended meanwhile, and with it the call."""
    same = and_(Message.status == status, Message.content == content)  # stored by a try whose outcome was not known
    mine = update(Message).where(Message.id == row_id, or_(Message.status.in_(OPEN), same))
    stored: Any = await session.execute(mine.values(status=status, content=content), execution_options=_UNSYNCHRONIZED)
    return bool(stored.rowcount)


async def dispatch(session: AsyncSession, *, row_id: UUID, run_id: UUID, epoch: int) -> bool:
    """Note that a call which was approved, or had to wait, is being made; False where the run is not in hand here."""
    held = (Run.id == run_id, Run.epoch == epoch, Run.status == RunStatus.RUNNING.value)
    stands = Message.status.in_((APPROVED, QUEUED, WRITING))  # the latter by a try whose outcome was not known
    mine = update(Message).where(Message.id == row_id, stands, select(Run.id).where(*held).exists())
    stored: Any = await session.execute(mine.values(status=WRITING), execution_options=_UNSYNCHRONIZED)
    return bool(stored.rowcount)


async def earlier_messages(session: AsyncSession, run: Run) -> Sequence[Message]:
    """Give the assistant's messages of a run that are whole, in their order: all but its last one."""
    mine = (Message.run_id == run.id, Message.role == "assistant", Message.id != run.message_id)
    return (await session.scalars(select(Message).where(*mine).order_by(Message.seq))).all()


async def messages_of(session: AsyncSession, run: Run) -> Sequence[Message]:
    """Give what a run has written, in its order: its steps, the results of their calls, and its last message."""
    mine = or_(Message.id == run.message_id, and_(Message.run_id == run.id, Message.role != "user"))
    return (await session.scalars(select(Message).where(mine).order_by(Message.seq))).all()


async def close_calls(session: AsyncSession, run_id: UUID, statuses: Sequence[str] = OPEN) -> None:
    """Note of the calls of a run that ends what is known of them: nothing, where they may have changed something."""
    for status in statuses:
        closed, said = CLOSED[status]
        mine = update(Message).where(Message.run_id == run_id, Message.role == "tool", Message.status == status)
        values = {"status": closed} if said is None else {"status": closed, "content": orjson.dumps(said).decode()}
        await session.execute(mine.values(**values), execution_options=_UNSYNCHRONIZED)


async def end_calls(
    session: AsyncSession, run_id: UUID, statuses: Sequence[str], row_ids: Sequence[UUID], *, epoch: int
) -> dict[UUID, tuple[str, str]]:
    """Do as `close_calls`, and give status and content of the calls among `row_ids` that are over then.

    Nothing where the run is not in hand here any more: the calls are somebody else's.
    """
    held = (Run.id == run_id, Run.epoch == epoch, Run.status == RunStatus.RUNNING.value)
    if await session.scalar(select(Run.id).where(*held).with_for_update()) is None:
        return {}
    await close_calls(session, run_id, statuses)
    over = select(Message.id, Message.status, Message.content).where(
        Message.id.in_(row_ids), Message.status.not_in(OPEN)
    )
    return {row.id: (row.status, row.content) for row in await session.execute(over)}


async def read_answers(session: AsyncSession, row_ids: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    """Give status and content of the calls among these for which the caller has done its part."""
    answered = select(Message.id, Message.status, Message.content).where(
        Message.id.in_(row_ids), Message.status.not_in(HELD)
    )
    return {row.id: (row.status, row.content) for row in await session.execute(answered)}


async def tool_rows(session: AsyncSession, run_id: UUID, *, lock: bool = False) -> Sequence[Message]:
    """Give the messages of a run that hold the results of its calls, in their order."""
    mine = select(Message).where(Message.run_id == run_id, Message.role == "tool").order_by(Message.seq)
    if lock:
        mine = mine.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(mine)).all()


def waits_for_caller(begun_after: datetime) -> ColumnElement[bool]:
    """Give the condition that a run waits for its caller, and has not done so for too long."""
    held = (Message.run_id == Run.id, Message.status.in_(HELD), Message.created_at > begun_after)
    return and_(Run.cancel_requested.is_(False), select(Message.id).where(*held).exists())


async def has_answers(session: AsyncSession, run_id: UUID) -> bool:
    """Tell whether a run's caller has answered for calls, and nobody has gone on with them."""
    answered = (Message.run_id == run_id, Message.role == "tool", Message.status.in_(ANSWERED))
    return await session.scalar(select(Message.id).where(*answered).limit(1)) is not None


async def adopt_run(session: AsyncSession, run_id: UUID, *, owner: str) -> Run | None:
    """Take a run into hand whose process is gone, with a new epoch.

    None where somebody has it in hand, or it is over. What that process was doing itself counts as not finished.
    """
    nobodys = or_(Run.owner.is_(None), and_(Run.owner != owner, Run.owner.not_in(select(Replica.id))))
    taken = update(Run).where(Run.id == run_id, Run.status == RunStatus.RUNNING.value, nobodys)
    changed: Any = await session.execute(
        taken.values(epoch=Run.epoch + 1, owner=owner), execution_options=_UNSYNCHRONIZED
    )
    if not changed.rowcount:
        return None
    await close_calls(session, run_id, ENDING)
    return await session.get_one(Run, run_id, populate_existing=True)
