"""Results of tools as Voyage's chat streams and stores them; the UI draws them by their names."""

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import update

from app.db.models import Conversation, Message
from app.db.session import Database
from app.runs.clock import utc_now

TOOLS: Final = (
    "search_places",
    "list_trips",
    "web_search",
    "get_trip_details",
    "add_to_itinerary",
    "move_itinerary_item",
    "remove_itinerary_item",
    "update_location_details",
    "add_lodging",
    "update_lodging",
    "remove_lodging",
    "add_transportation",
    "update_transportation",
    "remove_transportation",
    "get_weather",
)


class WireEvent:
    """One event of a journal, written by hand."""

    def __init__(self, seq: int, kind: str, *, run_id: str, **fields: Any) -> None:
        self.seq = seq
        self.type = kind
        event = {"v": 1, "type": kind, "seq": seq, "run_id": run_id, **fields}
        self.data = json.dumps(event, ensure_ascii=False).encode()


def tool_result(name: str) -> dict[str, Any]:
    return {"tool_call_id": f"call_{name}", "name": name, "result": {"results": [{"name": "Café 🦐\r\n\u2028"}]}}


async def store_tool_round(database: Database, conversation_id: UUID, names: Sequence[str]) -> None:
    """Write a question, the calls of its answer and their results into an empty conversation."""
    calls = [
        {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}} for name in names
    ]
    rows: list[dict[str, Any]] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        *({"role": "tool", **_row(tool_result(name))} for name in names),
    ]
    now = utc_now()
    async with database.write() as session:
        for seq, row in enumerate(rows, start=1):
            message = {"id": uuid4(), "conversation_id": conversation_id, "seq": seq, "status": "complete"}
            session.add(Message(**message, created_at=now, **row))
        await session.execute(
            update(Conversation).where(Conversation.id == conversation_id).values(next_seq=len(rows) + 1)
        )


def _row(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "content": json.dumps(result["result"]),
        "tool_call_id": result["tool_call_id"],
        "name": result["name"],
    }
