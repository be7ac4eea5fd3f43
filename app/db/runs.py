"""Queries about runs: how one begins and how it ends, each in the caller's one transaction.

`begin_run`, `finish_run` and the deletion of a conversation lock the conversation before its runs and messages, so
that two of them never wait for each other in a circle. `interrupt_unfinished` runs alone, before anybody is served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CursorResult, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import RUNNING, Conversation, Message, Run
from app.db.upsert import upsert
from app.errors import ConversationBusy, NotFound
from app.events import RunStatus

TITLE_CHARS: Final = 120
"""How much of the first message becomes the title, in code points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A user's message and the run that answers it; the ids are new."""

    user_id: str
    conversation_id: UUID
    run_id: UUID
    user_message_id: UUID
    message_id: UUID
    """The assistant's message."""
    text: str
    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended, for its row and its message; times in milliseconds."""

    status: RunStatus
    content: str
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    attempts: list[dict[str, Any]] | None = None
    ttft_ms: int | None = None
    latency_ms: int | None = None


async def begin_run(session: AsyncSession, new: NewRun, *, now: datetime) -> None:
    """Store the user's message, the assistant's empty one and the run that will fill it.

    Raises `NotFound` for an unknown or foreign conversation and `ConversationBusy`, with the id of the run in the
    way, while another run is active.
    """
    conversation = await _locked_conversation(session, user_id=new.user_id, conversation_id=new.conversation_id)
    title, seq = conversation.title or new.text[:TITLE_CHARS], conversation.next_seq
    common = {"conversation_id": new.conversation_id, "run_id": new.run_id, "created_at": now}
    running = {"status": RunStatus.RUNNING.value}
    asked = {"id": new.user_message_id, "seq": seq, "role": "user", "content": new.text, "status": "complete"}
    answer = {"id": new.message_id, "seq": seq + 1, "role": "assistant", "content": ""} | running
    nobody: dict[str, str | None] = {"provider": None, "model": None}
    chosen: dict[str, str | None] = {"provider": new.provider, "model": new.model}
    await session.execute(insert(Message), [common | asked | nobody, common | answer | chosen])
    run: dict[str, Any] = {"id": new.run_id, "conversation_id": new.conversation_id, "created_at": now}
    owned = {"user_id": new.user_id, "message_id": new.message_id}
    # The partial index alone decides who is first: a look before the write could come too early.
    first = upsert(session, Run).values(run | owned | running | chosen)
    first = first.on_conflict_do_nothing(index_elements=[Run.conversation_id], index_where=text(RUNNING))
    if await session.scalar(first.returning(Run.id)) is None:
        active = await active_run_id(session, user_id=new.user_id, conversation_id=new.conversation_id)
        raise ConversationBusy(run_id=str(active) if active is not None else None)
    await session.execute(
        update(Conversation)
        .where(Conversation.id == new.conversation_id)
        .values(title=title, next_seq=seq + 2, updated_at=now),
        execution_options={"synchronize_session": False},
    )


async def finish_run(session: AsyncSession, run_id: UUID, end: RunEnd, *, now: datetime) -> bool:
    """Write how the run ended into the run and its message.

    Gives False, and changes neither, when the run has ended already or its conversation is gone.
    """
    running = select(Run.conversation_id).where(Run.id == run_id, Run.status == RunStatus.RUNNING.value)
    unsynchronized = {"synchronize_session": False}
    await session.execute(
        update(Conversation).where(Conversation.id == running.scalar_subquery()).values(updated_at=now),
        execution_options=unsynchronized,
    )
    ended = {
        "status": end.status.value,
        "finish_reason": end.finish_reason,
        "error": end.error,
        "usage": end.usage,
        "ttft_ms": end.ttft_ms,
        "latency_ms": end.latency_ms,
    }
    won = (
        update(Run)
        .where(Run.id == run_id, Run.status == RunStatus.RUNNING.value)
        .values(**ended, attempts=end.attempts, finished_at=now)
        .returning(Run.message_id)
    )
    message_id = await session.scalar(won, execution_options=unsynchronized)
    if message_id is None:
        return False
    filled = update(Message).where(Message.id == message_id)
    await session.execute(
        filled.values(**ended, content=end.content, tool_calls=end.tool_calls), execution_options=unsynchronized
    )
    return True


async def active_run_id(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> UUID | None:
    """Give the id of the run that is writing in the user's conversation, if there is one."""
    active = (Run.conversation_id == conversation_id, Run.status == RunStatus.RUNNING.value)
    return await session.scalar(select(Run.id).where(*active, Run.user_id == user_id))


async def get_run(session: AsyncSession, *, user_id: str, run_id: UUID) -> Run:
    """Give one run of the user; raises `NotFound`."""
    run = await session.scalar(select(Run).where(Run.id == run_id, Run.user_id == user_id))
    if run is None:
        raise NotFound
    return run


async def interrupt_unfinished(session: AsyncSession, *, error: Mapping[str, Any], now: datetime) -> int:
    """End every run that is still marked as running, keeping its text, and give their number.

    Only for the start of the one process that owns this database: it takes every such run for a dead one.
    """
    ended = {"status": RunStatus.INTERRUPTED.value, "error": dict(error)}
    unfinished = Run.status == RunStatus.RUNNING.value
    dead = select(Run.message_id).where(unfinished)
    await session.execute(
        update(Message).where(Message.id.in_(dead)).values(**ended), execution_options={"synchronize_session": False}
    )
    closed = await session.execute(
        update(Run).where(unfinished).values(**ended, finished_at=now), execution_options={"synchronize_session": False}
    )
    return closed.rowcount if isinstance(closed, CursorResult) else 0


async def _locked_conversation(session: AsyncSession, *, user_id: str, conversation_id: UUID) -> Conversation:
    mine = select(Conversation).where(Conversation.id == conversation_id, Conversation.user_id == user_id)
    locked = mine.with_for_update().execution_options(populate_existing=True)
    conversation = await session.scalar(locked)
    if conversation is None:
        raise NotFound
    return conversation
