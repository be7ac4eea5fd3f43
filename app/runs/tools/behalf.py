"""On whose behalf the tools of a run are called."""

from typing import Final

from app.runs.model_request import History
from app.runs.send import SendMessage
from app.tools.tool import ToolCaller

MESSAGES: Final = 4
"""Of the person: a wish is often spread over a few."""
MESSAGE_CHARS: Final = 2_000


def caller_of(send: SendMessage, history: History) -> ToolCaller:
    """Give who calls, and what their conversation says that a call may leave out."""
    trip, destination = send.notes.collection_id, send.notes.destination or ""
    asked = [message.content for message in history.messages if message.role == "user"]
    return ToolCaller(
        user_id=send.user_id,
        session=send.session,
        collection_id=str(trip) if trip is not None else None,
        place=destination.partition(";")[0].strip() or None,
        said=tuple(text[:MESSAGE_CHARS] for text in reversed(asked[-MESSAGES:])),
    )
