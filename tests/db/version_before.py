"""A process of the version before the durable runs: what it writes and reads, statement for statement."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database
from app.db.types import UtcDateTime
from tests.db.rows import NOON

_IDS = frozenset({"id", "conversation_id", "run_id", "message_id"})

LOCK = "SELECT id, title, next_seq FROM conversations WHERE id = :conversation_id AND user_id = 'ann'"
ADD_MESSAGE = """
    INSERT INTO messages (id, conversation_id, run_id, created_at, seq, role, content, status, provider, model)
    VALUES (:id, :conversation_id, :run_id, :now, :seq, :role, :content, :status, :provider, :model)"""
ADD_RUN = """
    INSERT INTO runs (id, conversation_id, created_at, user_id, message_id, status, provider, model)
    VALUES (:run_id, :conversation_id, :now, 'ann', :message_id, 'running', 'groq', 'compound')
    ON CONFLICT (conversation_id) WHERE status = 'running' DO NOTHING RETURNING id"""
MOVE_ON = "UPDATE conversations SET title = 'T', next_seq = :seq, updated_at = :now WHERE id = :conversation_id"
TOUCH = """
    UPDATE conversations SET updated_at = :now
    WHERE id = (SELECT conversation_id FROM runs WHERE id = :run_id AND status = 'running')"""
END_RUN = """
    UPDATE runs SET status = 'completed', finish_reason = 'stop', ttft_ms = 1, latency_ms = 2, finished_at = :now
    WHERE id = :run_id AND status = 'running' RETURNING message_id"""
END_MESSAGE = """
    UPDATE messages SET status = 'completed', finish_reason = 'stop', ttft_ms = 1, latency_ms = 2, content = :content
    WHERE id = :message_id"""
READ_MESSAGES = """
    SELECT messages.id, messages.conversation_id, seq, run_id, role, content, tool_calls, tool_call_id, name, status,
        finish_reason, error, usage, provider, model, ttft_ms, latency_ms, messages.created_at
    FROM messages JOIN conversations ON conversations.id = messages.conversation_id
    WHERE messages.conversation_id = :conversation_id AND conversations.user_id = 'ann' ORDER BY seq"""
ACTIVE_RUN = "SELECT id FROM runs WHERE conversation_id = :conversation_id AND status = 'running' AND user_id = 'ann'"


def bound(statement: str, **values: Any) -> TextClause:
    """Give a statement with values in the form of either database."""
    types = {name: Uuid() if name in _IDS else UtcDateTime() if name == "now" else None for name in values}
    parameters = [bindparam(name, value, type_=types[name]) for name, value in values.items()]
    return text(statement).bindparams(*parameters)


async def say(session: AsyncSession, statement: str, **values: Any) -> Any:
    """Execute a statement and give its first row."""
    result = await session.execute(bound(statement, **values))
    return result.first() if isinstance(result, CursorResult) and result.returns_rows else None


async def begin(database: Database, conversation_id: UUID, content: str, now: datetime = NOON) -> UUID:
    """Begin a run and give its id."""
    run_id, asked, answer = uuid4(), uuid4(), uuid4()
    async with database.write() as session:
        postgres = session.get_bind().dialect.name == "postgresql"
        row = await say(session, LOCK + (" FOR UPDATE" if postgres else ""), conversation_id=conversation_id)
        common = {"conversation_id": conversation_id, "run_id": run_id, "now": now}
        mine = {"role": "user", "content": content, "status": "complete", "provider": None, "model": None}
        its = {"role": "assistant", "content": "", "status": "running", "provider": "groq", "model": "compound"}
        await say(session, ADD_MESSAGE, id=asked, seq=row.next_seq, **common, **mine)
        await say(session, ADD_MESSAGE, id=answer, seq=row.next_seq + 1, **common, **its)
        assert await say(session, ADD_RUN, message_id=answer, **common), "the conversation is busy"
        await say(session, MOVE_ON, conversation_id=conversation_id, seq=row.next_seq + 2, now=now)
    return run_id


async def finish(database: Database, run_id: UUID, content: str, now: datetime = NOON) -> None:
    """End a run."""
    async with database.write() as session:
        await say(session, TOUCH, run_id=run_id, now=now)
        ended = await say(session, END_RUN, run_id=run_id, now=now)
        assert ended is not None, "somebody else has ended the run"
        message_id = ended.message_id if isinstance(ended.message_id, UUID) else UUID(ended.message_id)
        await say(session, END_MESSAGE, message_id=message_id, content=content)


@dataclass
class Writer:
    """Writes one turn after the other into one conversation until it is told to stop."""

    database: Database
    conversation_id: UUID
    said: list[str] = field(default_factory=list[str])
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self) -> None:
        while not self.stopping.is_set():
            number = len(self.said)
            run_id = await begin(self.database, self.conversation_id, f"question {number}")
            await finish(self.database, run_id, f"answer {number}")
            self.said += [f"question {number}", f"answer {number}"]

    async def read(self) -> None:
        while not self.stopping.is_set():
            async with self.database.read() as session:
                await say(session, READ_MESSAGES, conversation_id=self.conversation_id)
                await say(session, ACTIVE_RUN, conversation_id=self.conversation_id)
            await asyncio.sleep(0)
