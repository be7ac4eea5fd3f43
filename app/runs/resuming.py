"""Going on with a run that waited for its caller while its process ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.db import run_events, tool_rounds
from app.db.models import Message, Run
from app.db.session import Session
from app.entry import Entry
from app.events import Usage
from app.runs.tools.call import Call, stored_call
from app.runs.tools.unshown import shown_calls, unshown
from app.tool_events import ToolFinished

PAGE_EVENTS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """What the process before has left of a run."""

    events: Sequence[Entry]
    earlier: Sequence[UUID]
    """Its messages, without the one that is being written."""
    unshown: Sequence[ToolFinished]
    """What became of calls that are over, as far as readers do not know it yet."""
    said: str
    usage: Usage | None
    call_ids: frozenset[str]
    staying: Sequence[Call]
    """Calls of its last step with which this process can go on."""


async def read_left(session: Session, run: Run) -> LeftBehind:
    """Read it."""
    events: list[Entry] = []
    while page := await run_events.read_events(session, run_id=run.id, after=len(events), limit=PAGE_EVENTS):
        events.extend(page)
    earlier = await tool_rounds.earlier_messages(session, run)
    rows = await tool_rounds.tool_rows(session, run.id)
    held = [row for row in rows if row.status in tool_rounds.STAYING]
    shown = shown_calls(events) | {row.tool_call_id or "" for row in held}
    return LeftBehind(
        events=events,
        earlier=[message.id for message in earlier],
        unshown=unshown(rows, earlier, but=shown),
        said="".join(message.content for message in earlier),
        usage=_usage_of(earlier),
        call_ids=frozenset(row.tool_call_id or "" for row in rows),
        staying=[stored_call(row.id, row.tool_call_id or "", earlier[-1].tool_calls or ()) for row in held],
    )


def _usage_of(messages: Sequence[Message]) -> Usage | None:
    total: Usage | None = None
    for message in messages:
        counts = {name: value for name, value in (message.usage or {}).items() if name != "total"}
        if counts:
            one = Usage(**counts)
            total = one if total is None else total.plus(one)
    return total
