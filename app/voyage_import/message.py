"""One message of Voyage as a row of ours."""

from typing import Final, cast

import orjson

from app.db.imports import Row
from app.db.voyage_tables import VoyageMessage

ROLES: Final = frozenset({"user", "assistant", "system", "tool"})
COMPLETE: Final = "complete"
UNKNOWN_ROLE: Final = "unknown role"
BAD_TOOL_CALLS: Final = "without its tool calls, which are no list of objects"


def read_message(message: VoyageMessage) -> tuple[Row | None, str]:
    """Give the columns, without place and conversation, and a remark; None and the reason for one that is unreadable.

    Nothing a user saw is left out: an empty answer stays, and so does a text whose tool calls are damaged.
    """
    if message.role not in ROLES:
        return None, UNKNOWN_ROLE
    remark, tool_calls = "", None
    try:
        tool_calls = _tool_calls(message.tool_calls)
    except ValueError:
        remark = BAD_TOOL_CALLS
    row = {
        "id": message.id,
        "role": message.role,
        "content": message.content,
        "tool_calls": tool_calls,
        "tool_call_id": message.tool_call_id,
        "name": message.name,
        "status": COMPLETE,
        "created_at": message.created_at,
    }
    return row, remark


def _tool_calls(stored: str | None) -> list[object] | None:
    """Give the calls as they are; raises `ValueError` for what is no list of objects."""
    found: object = orjson.loads(stored) if stored is not None else None
    if found is None:
        return None
    calls = cast("list[object]", found) if isinstance(found, list) else [found]
    if not isinstance(found, list) or not all(isinstance(call, dict) for call in calls):
        raise ValueError(BAD_TOOL_CALLS)
    try:
        # What is nested too deeply to be written again would stop everything that is stored with it.
        orjson.dumps(calls)
    except orjson.JSONEncodeError as failure:
        raise ValueError(BAD_TOOL_CALLS) from failure
    return calls
