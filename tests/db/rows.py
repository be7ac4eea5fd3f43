"""Short ways to the rows that the tests of this folder need."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from app.db.conversations import create_conversation
from app.db.messages import list_messages
from app.db.models import Message, Run
from app.db.runs import NewRun, RunEnd, begin_run, finish_run, get_run
from app.db.session import Database
from app.entry import Entry
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

    def row(self, *, user_id: str = "ann", text: str = "Hello") -> NewRun:
        return NewRun(
            user_id=user_id,
            conversation_id=self.conversation_id,
            run_id=self.run_id,
            user_message_id=self.user_message_id,
            message_id=self.message_id,
            text=text,
            provider="groq",
            model="compound",
        )


async def new_conversation(database: Database, user_id: str = "ann", title: str = "", now: datetime = NOON) -> UUID:
    conversation_id = uuid4()
    async with database.write() as session:
        await create_conversation(session, user_id=user_id, conversation_id=conversation_id, title=title, now=now)
    return conversation_id


async def begin(
    database: Database,
    conversation_id: UUID,
    *,
    user_id: str = "ann",
    text: str = "Hello",
    now: datetime = NOON,
    **changes: Any,
) -> Begun:
    begun = Begun(conversation_id)
    async with database.write() as session:
        await begin_run(session, replace(begun.row(user_id=user_id, text=text), **changes), now=now)
    return begun


async def finish(
    database: Database,
    run_id: UUID,
    *,
    now: datetime | None = None,
    epoch: int = 1,
    events: Sequence[Entry] = (),
    **changes: Any,
) -> bool:
    end = RunEnd(status=RunStatus.COMPLETED, content="Hi.", finish_reason="stop", ttft_ms=10, latency_ms=20)
    async with database.write() as session:
        return await finish_run(
            session, run_id, replace(end, **changes), epoch=epoch, events=events, now=now or later(1)
        )


async def run_row(database: Database, begun: Begun) -> Run:
    async with database.read() as session:
        return await get_run(session, user_id="ann", run_id=begun.run_id)


async def messages(database: Database, conversation_id: UUID) -> list[Message]:
    async with database.read() as session:
        return list(await list_messages(session, user_id="ann", conversation_id=conversation_id))
