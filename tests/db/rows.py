"""Short ways to the rows that the tests of this folder need."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from app.db.conversations import create_conversation
from app.db.runs import begin_run, finish_run
from app.db.session import Database
from app.events import RunStatus

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def later(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


@dataclass(frozen=True)
class Begun:
    conversation_id: UUID
    run_id: UUID = field(default_factory=uuid4)
    user_message_id: UUID = field(default_factory=uuid4)
    message_id: UUID = field(default_factory=uuid4)


async def new_conversation(database: Database, user_id: str = "ann", title: str = "", now: datetime = NOON) -> UUID:
    conversation_id = uuid4()
    async with database.write() as session:
        await create_conversation(session, user_id=user_id, conversation_id=conversation_id, title=title, now=now)
    return conversation_id


async def begin(
    database: Database, conversation_id: UUID, *, user_id: str = "ann", text: str = "Hello", now: datetime = NOON
) -> Begun:
    begun = Begun(conversation_id)
    async with database.write() as session:
        await begin_run(
            session,
            user_id=user_id,
            conversation_id=conversation_id,
            run_id=begun.run_id,
            user_message_id=begun.user_message_id,
            message_id=begun.message_id,
            text=text,
            provider="groq",
            model="compound",
            now=now,
        )
    return begun


async def finish(database: Database, run_id: UUID, **changes: Any) -> bool:
    values: dict[str, Any] = {
        "status": RunStatus.COMPLETED,
        "content": "Hi.",
        "tool_calls": None,
        "finish_reason": "stop",
        "error": None,
        "usage": None,
        "attempts": None,
        "ttft_ms": 10,
        "latency_ms": 20,
        "now": later(1),
    } | changes
    async with database.write() as session:
        return await finish_run(session, run_id=run_id, **values)
