"""Going on with a run that waited for its caller while its process ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from app.db import run_events, tool_rounds
from app.db.models import Message
from app.db.session import Session
from app.db.tool_rounds import Adopted
from app.entry import Entry
from app.events import Usage
from app.runs.tools.call import Call, stored_call
from app.runs.tools.told import closed_event
from app.tool_events import ToolFinished

PAGE_EVENTS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """What the process before has left of a run."""

    events: Sequence[Entry]
    earlier: Sequence[UUID]
    """Its messages, without the one that is being written."""
    unshown: Sequence[ToolFinished]
    """What became of calls that it was making when it ended, as far as readers do not know yet."""
    said: str
    usage: Usage | None
    call_ids: frozenset[str]
    approved: Sequence[Call]
    """Calls of its last step that its caller has approved and that nobody has made."""


async def read_left(session: Session, adopted: Adopted) -> LeftBehind:
    """Read it."""
    run = adopted.run
    events: list[Entry] = []
    while page := await run_events.read_events(session, run_id=run.id, after=len(events), limit=PAGE_EVENTS):
        events.extend(page)
    earlier = await tool_rounds.earlier_messages(session, run)
    calls = await tool_rounds.tool_rows(session, run.id)
    shown = {
        orjson.loads(event.data)["tool_result"]["tool_call_id"] for event in events if event.type == ToolFinished.type
    }
    return LeftBehind(
        events=events,
        earlier=[message.id for message in earlier],
        unshown=[closed_event(call, earlier[-1].id) for call in adopted.lost if call.call_id not in shown],
        said="".join(message.content for message in earlier),
        usage=_usage_of(earlier),
        call_ids=frozenset(call.tool_call_id or "" for call in calls),
        approved=[
            stored_call(call.id, call.tool_call_id or "", earlier[-1].tool_calls or ())
            for call in calls
            if call.status == tool_rounds.APPROVED
        ],
    )


def _usage_of(messages: Sequence[Message]) -> Usage | None:
    total: Usage | None = None
    for message in messages:
        counts = {name: value for name, value in (message.usage or {}).items() if name != "total"}
        if counts:
            one = Usage(**counts)
            total = one if total is None else total.plus(one)
    return total
