"""Ends runs that nobody has in hand: their text is put together from their events and kept."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from app.db.models import Run
from app.db.run_events import read_events, unfolded_events
from app.db.runs import finish_run, lock_run
from app.db.session import Database, Session
from app.entry import Entry, encode
from app.errors import Interrupted
from app.events import MessageDelta, ReasoningDelta, RunStatus, ToolCallDelta
from app.providers.model import Delta, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.runs.assembler import Draft
from app.runs.clock import Clock
from app.runs.ending import Ending
from app.runs.live import LiveRun
from app.runs.outcome import Outcome

PAGE_EVENTS: Final = 500
_log = structlog.stdlib.get_logger(__name__)


async def interrupt(database: Database, run: Run, *, clock: Clock) -> bool:
    """End `run`, as it was found, with what has arrived of it; False when it has ended or moved on meanwhile.

    As `cancelled` where its caller had asked for that, else as `interrupted`. Raises `StorageUnavailable`.
    """
    async with database.write() as session:
        found = await lock_run(session, run)
        if found is None:
            return False
        draft, last_seq = await _rebuilt(session, run.id)
        unfolded = await unfolded_events(session, run_id=run.id, after=last_seq)
        if unfolded:
            last_seq = _fold(draft, unfolded)
        status = RunStatus.CANCELLED if found.cancel_requested else RunStatus.INTERRUPTED
        error = Interrupted() if status is RunStatus.INTERRUPTED else None
        ending = Ending(
            run=_named(found),
            request_id=None,
            outcome=Outcome(status, error),
            content=draft.message_content,
            tool_calls=draft.tool_calls_json(),
            attempts=found.attempts,
        )
        last = encode(ending.event(), run_id=str(run.id), seq=last_seq + 1)
        await finish_run(session, run.id, ending.stored(), epoch=found.epoch, events=(*unfolded, last), now=clock.now())
    _log.warning("run.recovered", run_id=str(run.id), status=status.value, events=last_seq)
    return True


async def _rebuilt(session: Session, run_id: UUID) -> tuple[Draft, int]:
    """Give the message as its readers have seen it, and the number of the last event."""
    draft, seq = Draft(), 0
    while page := await read_events(session, run_id=run_id, after=seq, limit=PAGE_EVENTS):
        seq = _fold(draft, page)
    return draft, seq


def _fold(draft: Draft, entries: Sequence[Entry]) -> int:
    """Add to the message what events say, and give the number of the last one."""
    for delta in _deltas(entries):
        draft.add(delta)
    return entries[-1].seq


def _deltas(entries: Iterable[Entry]) -> Iterable[Delta]:
    for entry in entries:
        if entry.type == MessageDelta.type:
            yield TextDelta(orjson.loads(entry.data)["content"])
        elif entry.type == ReasoningDelta.type:
            yield ReasoningTextDelta(orjson.loads(entry.data)["reasoning"])
        elif entry.type == ToolCallDelta.type:
            calls: list[dict[str, Any]] = orjson.loads(entry.data)["tool_calls"]
            for call in calls:
                function = call["function"]
                yield ToolCallPiece(call["index"], call["id"], function["name"] or None, function["arguments"])


def _named(run: Run) -> LiveRun:
    return LiveRun(
        run_id=run.id,
        user_id=run.user_id,
        conversation_id=run.conversation_id,
        user_message_id=run.message_id,
        message_id=run.message_id,
        provider=run.provider,
        model=run.model,
    )
