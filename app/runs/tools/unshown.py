"""What became of calls, as far as readers of the run do not know it yet."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson

from app.db.models import Message
from app.db.tool_rounds import CLOSED
from app.entry import Entry
from app.tool_events import ToolFinished


def shown_calls(events: Iterable[Entry]) -> set[str]:
    """Give the ids of the calls whose results readers have seen."""
    return {
        orjson.loads(event.data)["tool_result"]["tool_call_id"] for event in events if event.type == ToolFinished.type
    }


def unshown(rows: Iterable[Message], earlier: Sequence[Message], *, but: Collection[str]) -> list[ToolFinished]:
    """Give the events for the calls of `rows` whose ids are not in `but`.

    An open call counts as what the end of its run makes of it. `earlier` are the messages that have made the calls.
    """
    made_in = {call["id"]: message.id for message in earlier for call in message.tool_calls or ()}
    return [
        finished(str(made_in.get(row.tool_call_id or "", "")), row.tool_call_id or "", row.name or "", *_end(row))
        for row in rows
        if row.tool_call_id not in but
    ]


def finished(message_id: str, call_id: str, name: str, status: str, content: str) -> ToolFinished:
    """Give the event for a call that is over, from what is stored of it."""
    result: Any = orjson.loads(content)
    return ToolFinished(message_id=message_id, tool_call_id=call_id, name=name, outcome=status, result=result)


def _end(row: Message) -> tuple[str, str]:
    status, said = CLOSED.get(row.status, (row.status, None))
    return status, row.content if said is None else orjson.dumps(said).decode()
