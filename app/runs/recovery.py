"""Ends runs that nobody has in hand: their text is put together from their events and kept."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from app.db.models import Message, Run
from app.db.run_events import read_events, unfolded_events
from app.db.runs import finish_run, lock_run
from app.db.session import Database, Session
from app.db.tool_rounds import earlier_messages, tool_rows
from app.entry import Entry, encode
from app.errors import Interrupted
from app.events import MessageDelta, ReasoningDelta, RunStatus, ToolCallDelta
from app.providers.model import Delta, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.runs.assembler import Draft
from app.runs.clock import Clock
from app.runs.ending import Ending
from app.runs.live import LiveRun
from app.runs.outcome import Outcome
from app.runs.tools.unshown import shown_calls, unshown

PAGE_EVENTS: Final = 500
_TEXTS: Final = frozenset({MessageDelta.type, ReasoningDelta.type, ToolCallDelta.type})
_log = structlog.stdlib.get_logger(__name__)


async def interrupt(database: Database, run: Run, *, clock: Clock) -> bool:
    """End `run`, as it was found, with what has arrived of it; False when it has ended or moved on meanwhile.

    As `cancelled` where its caller had asked for that, else as `interrupted`. Raises `StorageUnavailable`.
    """
    async with database.write() as session:
        found = await lock_run(session, run)
        if found is None:
            return False
        earlier = await earlier_messages(session, found)
        rebuilt = _Rebuilt(frozenset(str(message.id) for message in earlier))
        last_seq = await rebuilt.read(session, run.id)
        unfolded = await unfolded_events(session, run_id=run.id, after=last_seq)
        if unfolded:
            last_seq = rebuilt.fold(unfolded)
        draft = rebuilt.draft
        rows = await tool_rows(session, run.id)
        lost = [
            encode(event, run_id=str(run.id), seq=last_seq + number)
            for number, event in enumerate(unshown(rows, earlier, but=rebuilt.shown), start=1)
        ]
        last_seq += len(lost)
        status = RunStatus.CANCELLED if found.cancel_requested else RunStatus.INTERRUPTED
        error = Interrupted() if status is RunStatus.INTERRUPTED else None
        ending = Ending(
            run=_named(found, earlier),
            request_id=None,
            outcome=Outcome(status, error),
            before="".join(message.content for message in earlier),
            content=draft.message_content,
            tool_calls=draft.tool_calls_json(),
            attempts=found.attempts,
        )
        last = encode(ending.event(), run_id=str(run.id), seq=last_seq + 1)
        await finish_run(
            session, run.id, ending.stored(), epoch=found.epoch, events=(*unfolded, *lost, last), now=clock.now()
        )
    _log.warning("run.recovered", run_id=str(run.id), status=status.value, events=last_seq)
    return True


class _Rebuilt:
    """The last message of a run as its readers have seen it; the ones before it are stored whole."""

    def __init__(self, earlier: frozenset[str]) -> None:
        self.draft = Draft()
        self.shown: set[str] = set()
        """Calls whose results they have seen."""
        self._earlier = earlier

    async def read(self, session: Session, run_id: UUID) -> int:
        """Take every event in pages, and give the number of the last one."""
        seq = 0
        while page := await read_events(session, run_id=run_id, after=seq, limit=PAGE_EVENTS):
            seq = self.fold(page)
        return seq

    def fold(self, entries: Sequence[Entry]) -> int:
        """Add to the message what events say, and give the number of the last one."""
        for delta in _deltas(entries, self._earlier):
            self.draft.add(delta)
        self.shown |= shown_calls(entries)
        return entries[-1].seq


def _deltas(entries: Iterable[Entry], earlier: frozenset[str]) -> Iterable[Delta]:
    for entry in entries:
        if entry.type not in _TEXTS:
            continue
        data: dict[str, Any] = orjson.loads(entry.data)
        if data["message_id"] in earlier:
            continue
        if entry.type == MessageDelta.type:
            yield TextDelta(data["content"])
        elif entry.type == ReasoningDelta.type:
            yield ReasoningTextDelta(data["reasoning"])
        else:
            for call in data["tool_calls"]:
                function = call["function"]
                yield ToolCallPiece(call["index"], call["id"], function["name"] or None, function["arguments"])


def _named(run: Run, earlier: Iterable[Message]) -> LiveRun:
    named = LiveRun(
        run_id=run.id,
        user_id=run.user_id,
        conversation_id=run.conversation_id,
        user_message_id=run.message_id,
        message_id=run.message_id,
        provider=run.provider,
        model=run.model,
    )
    named.earlier.extend(message.id for message in earlier)
    return named
