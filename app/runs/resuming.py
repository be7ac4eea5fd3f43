"""Going on with a run that waited for its caller's tools while its process ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.db import run_events, tool_rounds
from app.db.models import Message, Run
from app.db.session import Session
from app.entry import Entry
from app.events import Usage

PAGE_EVENTS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """What the process before has left of a run."""

    events: Sequence[Entry]
    earlier: Sequence[UUID]
    """Its messages, without the one that is being written."""
    said: str
    usage: Usage | None
    call_ids: frozenset[str]


async def read_left(session: Session, run: Run) -> LeftBehind:
    """Read it."""
    events: list[Entry] = []
    while page := await run_events.read_events(session, run_id=run.id, after=len(events), limit=PAGE_EVENTS):
        events.extend(page)
    earlier = await tool_rounds.earlier_messages(session, run)
    calls = await tool_rounds.tool_rows(session, run.id)
    return LeftBehind(
        events=events,
        earlier=[message.id for message in earlier],
        said="".join(message.content for message in earlier),
        usage=_usage_of(earlier),
        call_ids=frozenset(call.tool_call_id or "" for call in calls),
    )


def _usage_of(messages: Sequence[Message]) -> Usage | None:
    total: Usage | None = None
    for message in messages:
        counts = {name: value for name, value in (message.usage or {}).items() if name != "total"}
        if counts:
            one = Usage(**counts)
            total = one if total is None else total.plus(one)
    return total
