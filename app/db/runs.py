"""Queries about runs: how one begins and how it ends, each in the caller's one transaction.

Every writer locks the conversation before its runs and messages, so that two never wait for each other in a circle.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ACTIVE_RUN_INDEX, Conversation, Message, Run
from app.errors import ConversationBusy, NotFound
from app.events import RunStatus

TITLE_CHARS: Final = 120
"""How much of the first message becomes the title, in code points."""


async def begin_run(  # noqa: PLR0913 - one keyword per column that only the caller knows
    session: AsyncSession,
    *,
    user_id: str,
    conversation_id: UUID,
    run_id: UUID,
    user_message_id: UUID,
    message_id: UUID,
    text: str,
    provider: str,
    model: str,
    now: datetime,
) -> None:
    """Store the user's message, the assistant's empty one and the run that will fill it.

    Raises `NotFound` for an unknown or foreign conversation and `ConversationBusy`, with the id of the run in the
    way, while another run is active.
    """
    conversation = await _locked_conversation(session, user_id=user_id, conversation_id=conversation_id)
    await _refuse_second_run(session, conversation_id)
    title, seq = conversation.title or text[:TITLE_CHARS], conversation.next_seq
    common = {"conversation_id": conversation_id, "run_id": run_id, "created_at": now}
    asked = {"id": user_message_id, "seq": seq, "role": "user", "content": text, "status": "complete"}
    answer = {"id": message_id, "seq": seq + 1, "role": "assistant", "content": "", "status": RunStatus.RUNNING.value}
    nobody: dict[str, str | None] = {"provider": None, "model": None}
    chosen: dict[str, str | None] = {"provider": provider, "model": model}
    await session.execute(insert(Message), [common | asked | nobody, common | answer | chosen])
    run = Run(
        id=run_id,
        conversation_id=conversation_id,
        user_id=user_id,
        message_id=message_id,
        status=RunStatus.RUNNING.value,
        provider=provider,
        model=model,
        created_at=now,
    )
    session.add(run)
    try:
        await session.flush()
    except IntegrityError as failure:
        if not _breaks_active_run(failure):
            raise
        raise ConversationBusy from None
    touched = update(Conversation).where(Conversation.id == conversation_id)
    await session.execute(
        touched.values(title=title, next_seq=seq + 2, updated_at=now), execution_options={"synchronize_session": False}
    )


async def finish_run(  # noqa: PLR0913 - one keyword per column that only the caller knows
    session: AsyncSession,
    *,
    run_id: UUID,
    status: RunStatus,
    content: str,
    tool_calls: Sequence[Mapping[str, Any]] | None,
    finish_reason: str | None,
    error: Mapping[str, Any] | None,
    usage: Mapping[str, Any] | None,
    attempts: Sequence[Mapping[str, Any]] | None,
    ttft_ms: int | None,
    latency_ms: int | None,
    now: datetime,
) -> bool:
    """Write how the run ended into the run and its message; times in milliseconds.

    Gives False, and changes neither, when the run has ended already or its conversation is gone.
    """
    running = select(Run.conversation_id).where(Run.id == run_id, Run.status == RunStatus.RUNNING.value)
    await session.execute(
        update(Conversation).where(Conversation.id == running.scalar_subquery()).values(updated_at=now),
        execution_options={"synchronize_session": False},
    )
    ended = {
        "status": RunStatus(status).value,
        "finish_reason": str(finish_reason) if finish_reason is not None else None,
        "error": dict(error) if error is not None else None,
        "usage": dict(usage) if usage is not None else None,
        "ttft_ms": ttft_ms,
        "latency_ms": latency_ms,
    }
    tries = [dict(attempt) for attempt in attempts] if attempts is not None else None
    won = (
        update(Run)
        .where(Run.id == run_id, Run.status == RunStatus.RUNNING.value)
        .values(**ended, attempts=tries, finished_at=now)
        .returning(Run.message_id)
        .execution_options(synchronize_session=False)
    )
    message_id = await session.scalar(won)
    if message_id is None:
        return False
    calls = [dict(call) for call in tool_calls] if tool_calls is not None else None
    filled = update(Message).where(Message.id == message_id).values(**ended, content=content, tool_calls=calls)
    await session.execute(filled, execution_options={"synchronize_session": False})
    return True


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


async def _refuse_second_run(session: AsyncSession, conversation_id: UUID) -> None:
    # A statement of its own: one that waits for the lock would still see what was before it.
    active = select(Run.id).where(Run.conversation_id == conversation_id, Run.status == RunStatus.RUNNING.value)
    run_id = await session.scalar(active)
    if run_id is not None:
        raise ConversationBusy(run_id=str(run_id))


def _breaks_active_run(failure: IntegrityError) -> bool:
    # PostgreSQL names the index, SQLite the column.
    return ACTIVE_RUN_INDEX in str(failure.orig) or "runs.conversation_id" in str(failure.orig)
