"""Queries about runs: how one begins, is taken into hand and ends, each in the caller's one transaction.

All of them lock the conversation before its runs and messages, so that two never wait for each other in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import String, bindparam, func, insert, literal_column, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.direct import direct
from app.db.models import Conversation, Message, Run
from app.db.run_events import add_events
from app.db.tool_rounds import close_calls
from app.entry import Entry
from app.errors import ConversationBusy, NotFound
from app.events import RunStatus

TITLE_CHARS: Final = 120
"""How much of the first message becomes the title, in code points."""
MAX_QUEUED: Final = 10
"""Messages that may wait in one conversation."""
_ACTIVE: Final = (RunStatus.QUEUED.value, RunStatus.RUNNING.value)
# Written out: SQLite compiles a statement anew for each run of it where a value may decide about a partial index.
_IS_ACTIVE: Final = or_(*(Run.status == literal_column(f"'{status}'") for status in _ACTIVE))
# Built once: to build a statement takes longer than to run it.
_LOCKED: Final = direct(
    select(Conversation)
    .where(Conversation.id == bindparam("p_id"), Conversation.user_id == bindparam("p_user"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_ACTIVE_RUNS: Final = direct(select(Run.id, Run.status).where(Run.conversation_id == bindparam("p_id"), _IS_ACTIVE))
_NEW_MESSAGE: Final = direct(insert(Message.__table__))  # pyright: ignore[reportArgumentType]  # typed as any clause
_NEW_RUN: Final = direct(insert(Run.__table__))  # pyright: ignore[reportArgumentType]  # see above
_GROWN: Final = direct(
    update(Conversation)
    .where(Conversation.id == bindparam("p_id"))
    .values(title=bindparam("p_title"), next_seq=bindparam("p_next"), updated_at=bindparam("p_now"))
    .execution_options(synchronize_session=False)
)
_HELD: Final = (Run.id == bindparam("p_id"), Run.epoch == bindparam("p_epoch"), _IS_ACTIVE)
_ENDED: Final = ("status", "finish_reason", "error", "usage", "ttft_ms", "latency_ms")
_TOUCH: Final = direct(
    update(Conversation)
    .where(Conversation.id == select(Run.conversation_id).where(*_HELD).scalar_subquery())
    .values(updated_at=bindparam("p_now"))
    .execution_options(synchronize_session=False)
)
_ANSWERED: Final[dict[str, Any]] = {
    name: func.coalesce(bindparam(f"p_{name}", type_=String), text(name)) for name in ("provider", "model")
}
_SAID: Final[dict[str, Any]] = _ANSWERED | {name: bindparam(f"p_{name}") for name in _ENDED}
_END_RUN: Final = direct(
    update(Run)
    .where(*_HELD)
    .values(_SAID | {name: bindparam(f"p_{name}") for name in ("attempts", "finished_at", "last_seq")})
    .returning(Run.message_id)
    .execution_options(synchronize_session=False)
)
_END_MESSAGE: Final = direct(
    update(Message)
    .where(Message.id == bindparam("p_message"))
    .values(_SAID | {name: bindparam(f"p_{name}") for name in ("content", "tool_calls")})
    .execution_options(synchronize_session=False)
)
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A user's message and the run that answers it, or another answer to an old message; the ids are new."""

    user_id: str
    conversation_id: UUID
    run_id: UUID
    message_id: UUID
    """The assistant's message."""
    user_message_id: UUID
    """Already stored where `text` is None."""
    text: str | None
    provider: str
    model: str
    parent_seq: int | None = None
    """What the first of the new messages follows; see `app.db.branch`."""
    owner: str | None = None
    """The process that has it in hand."""
    queue: bool = False
    """Wait for the run before it, instead of being refused."""
    attempts: list[dict[str, Any]] | None = None
    """The first model call, noted before it is made."""
    asked: dict[str, Any] | None = None
    """See `Run.asked`."""


@dataclass(frozen=True, slots=True)
class Begun:
    """How a run began."""

    status: RunStatus
    message_seq: int
    """Where the assistant's message stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended, for its row and its message; times in milliseconds."""

    status: RunStatus
    content: str
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    message_usage: dict[str, Any] | None = None
    """Where the message is not all of the run."""
    attempts: list[dict[str, Any]] | None = None
    ttft_ms: int | None = None
    latency_ms: int | None = None
    provider: str | None = None
    model: str | None = None
    """Who answered; None where that is who was to."""


async def begin_run(session: AsyncSession, new: NewRun, *, now: datetime, locked: Conversation | None = None) -> Begun:
    """Store the user's message, the assistant's empty one and the run that will fill it, in the conversation `locked`.

    Raises `NotFound` for an unknown or foreign conversation and `ConversationBusy`, with the id of the run in the
    way, while another run is active.
    """
    conversation = locked or await lock_conversation(session, user_id=new.user_id, conversation_id=new.conversation_id)
    status = await _status_of(session, new)
    seq = conversation.next_seq
    common = {"conversation_id": new.conversation_id, "run_id": new.run_id, "created_at": now}
    state = {"status": status.value}
    nobody: dict[str, str | None] = {"provider": None, "model": None}
    chosen: dict[str, str | None] = {"provider": new.provider, "model": new.model}
    rows: list[dict[str, Any]] = []
    if new.text is not None:
        asked = {"id": new.user_message_id, "role": "user", "content": new.text, "status": "complete"}
        rows.append(common | asked | nobody | {"seq": seq, "parent_seq": new.parent_seq})
    answer = {"id": new.message_id, "role": "assistant", "content": "", "seq": seq + len(rows)}
    rows.append(common | answer | state | chosen | {"parent_seq": None if rows else new.parent_seq})
    await session.execute(_NEW_MESSAGE, rows)
    run: dict[str, Any] = {"id": new.run_id, "conversation_id": new.conversation_id, "created_at": now}
    owned = {"user_id": new.user_id, "message_id": new.message_id, "owner": new.owner}
    noted = new.attempts if status is RunStatus.RUNNING else []
    await session.execute(
        _NEW_RUN,
        run | owned | state | chosen | {"attempts": noted, "asked": new.asked, "epoch": 1, "cancel_requested": False},
    )
    title = conversation.title or (new.text or "")[:TITLE_CHARS]
    grown = {"p_title": title, "p_next": seq + len(rows), "p_now": now}
    await session.execute(_GROWN, grown | {"p_id": new.conversation_id})
    return Begun(status, seq + len(rows) - 1)


async def _status_of(session: AsyncSession, new: NewRun) -> RunStatus:
    """Say whether the new run may begin; the lock on the conversation makes that last."""
    active = (await session.execute(_ACTIVE_RUNS, {"p_id": new.conversation_id})).all()
    if not active:
        return RunStatus.RUNNING
    if new.queue and len(active) <= MAX_QUEUED:
        return RunStatus.QUEUED
    running = next((run for run in active if run.status == RunStatus.RUNNING), active[0])
    raise ConversationBusy(run_id=str(running.id))


async def claim_run(session: AsyncSession, run_id: UUID, *, user_id: str, conversation_id: UUID, owner: str) -> bool:
    """Begin a queued run of the process `owner` if it is its turn; False while it has to wait.

    May be repeated when the answer to it was lost. Its epoch stays: the process has had it in hand since it was
    queued, and may end it without knowing whether this was stored. Raises `NotFound` when it is over, or gone.
    """
    await lock_conversation(session, user_id=user_id, conversation_id=conversation_id)
    mine = (Run.id == run_id, Run.owner == owner, Run.status.in_(_ACTIVE))
    run = await session.scalar(select(Run).where(*mine).execution_options(populate_existing=True))
    if run is None:
        raise NotFound
    seq = select(Message.seq).where(Message.id == Run.message_id).scalar_subquery()
    active = (Run.conversation_id == conversation_id, Run.status.in_(_ACTIVE))
    # By the place of the message and not by time: clocks may stand still or go back.
    next_id = await session.scalar(select(Run.id).where(*active).order_by(Run.status.desc(), seq).limit(1))
    if next_id != run_id:
        return False
    running = {"status": RunStatus.RUNNING.value}
    for row in (update(Run).where(Run.id == run_id), update(Message).where(Message.id == run.message_id)):
        await session.execute(row.values(**running), execution_options=_UNSYNCHRONIZED)
    return True


async def finish_run(  # noqa: PLR0913 - whose end, which one, and when
    session: AsyncSession,
    run_id: UUID,
    end: RunEnd,
    *,
    epoch: int,
    events: Sequence[Entry],
    now: datetime,
    calls: bool = True,
) -> bool:
    """Write how the run ended into the run and its message, and its last events; with it end its `calls` of tools.

    Gives False, and changes nothing, when the run has ended already, somebody else has it in hand, or its
    conversation is gone.
    """
    held = {"p_id": run_id, "p_epoch": epoch}
    await session.execute(_TOUCH, held | {"p_now": now})
    ended = {
        "p_status": end.status.value,
        "p_finish_reason": end.finish_reason,
        "p_error": end.error,
        "p_usage": end.usage,
        "p_ttft_ms": end.ttft_ms,
        "p_latency_ms": end.latency_ms,
        "p_provider": end.provider,
        "p_model": end.model,
    }
    counted = {"p_attempts": end.attempts, "p_finished_at": now, "p_last_seq": events[-1].seq if events else None}
    message_id = await session.scalar(_END_RUN, held | ended | counted)
    if message_id is None:
        return False
    said = {"p_message": message_id, "p_content": end.content, "p_tool_calls": end.tool_calls}
    said |= {"p_usage": end.message_usage} if end.message_usage is not None else {}
    await session.execute(_END_MESSAGE, ended | said)
    if calls:
        await close_calls(session, run_id)
    await add_events(session, run_id, events)
    return True


async def request_cancel(session: AsyncSession, *, user_id: str, run_id: UUID) -> Run:
    """Ask whoever has a run of the user's in hand to stop it, and give it as it stands; raises `NotFound`."""
    asked = update(Run).where(Run.id == run_id, Run.user_id == user_id, Run.status.in_(_ACTIVE))
    await session.execute(asked.values(cancel_requested=True), execution_options=_UNSYNCHRONIZED)
    return await get_run(session, user_id=user_id, run_id=run_id)


async def wishes(session: AsyncSession, *, owner: str) -> dict[UUID, bool]:
    """Give the active runs of a process, and of each whether somebody wants it stopped."""
    mine = (Run.owner == owner, Run.status.in_(_ACTIVE))
    return {
        row.id: row.cancel_requested for row in await session.execute(select(Run.id, Run.cancel_requested).where(*mine))
    }


async def active_run(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> Run | None:
    """Give the run that is writing in the user's conversation, or else the first that waits, if there is one."""
    active = (Run.conversation_id == conversation_id, Run.status.in_(_ACTIVE), Run.user_id == user_id)
    seq = select(Message.seq).where(Message.id == Run.message_id).scalar_subquery()
    return await session.scalar(select(Run).where(*active).order_by(Run.status.desc(), seq).limit(1))


async def active_run_ids(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> Sequence[UUID]:
    """Give the ids of the runs that write or wait in the user's conversation."""
    active = (Run.conversation_id == conversation_id, Run.status.in_(_ACTIVE), Run.user_id == user_id)
    return (await session.scalars(select(Run.id).where(*active))).all()


async def get_run(session: AsyncSession, *, user_id: str, run_id: UUID) -> Run:
    """Give one run of the user; raises `NotFound`."""
    mine = select(Run).where(Run.id == run_id, Run.user_id == user_id)
    run = await session.scalar(mine.execution_options(populate_existing=True))
    if run is None:
        raise NotFound
    return run


async def is_over(session: AsyncSession, run_id: UUID) -> bool:
    """Tell whether nothing more happens to a run: it has ended, or is gone. The caller has checked whose it is."""
    status = await session.scalar(select(Run.status).where(Run.id == run_id))
    return status not in _ACTIVE


async def runs_in_hand(session: AsyncSession, *, owner: str) -> Sequence[Run]:
    """Give the active runs of a process."""
    return (await session.scalars(select(Run).where(Run.owner == owner, Run.status.in_(_ACTIVE)))).all()


async def lock_run(session: AsyncSession, run: Run) -> Run | None:
    """Lock an active run and its conversation; None when it has ended or is somebody else's by now."""
    try:
        await lock_conversation(session, user_id=run.user_id, conversation_id=run.conversation_id)
    except NotFound:
        return None
    same = (Run.id == run.id, Run.epoch == run.epoch, Run.status.in_(_ACTIVE))
    locked = select(Run).where(*same).with_for_update().execution_options(populate_existing=True)
    return await session.scalar(locked)


async def lock_conversation(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> Conversation:
    """Give one conversation of the user's, locked until the transaction ends; raises `NotFound`."""
    conversation = await session.scalar(_LOCKED, {"p_id": conversation_id, "p_user": user_id})
    if conversation is None:
        raise NotFound
    return conversation
