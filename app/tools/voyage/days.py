"""The days of a trip, and placing something on one."""

from datetime import UTC, datetime
from typing import Any

from app.tools.tool import OutcomeUnknown, ToolUnavailable
from app.tools.voyage import shapes
from app.tools.voyage.desk import Desk, Row, row
from app.tools.voyage.failure import ToolFailed


def check_day(trip: Row, day: str) -> None:
    """Raise `ToolFailed` for a day outside of the trip, before anything is written: Voyage would refuse it after."""
    start, end = trip.get("start_date"), trip.get("end_date")
    if (isinstance(start, str) and day < start) or (isinstance(end, str) and day > end):
        message = f"{day} is outside of the trip, which lasts from {start} to {end}"
        raise ToolFailed(message)


def default_day(trip: Row) -> str:
    """Give the first day of the trip, else today."""
    start = trip.get("start_date")
    return start if isinstance(start, str) and start else datetime.now(UTC).date().isoformat()


async def place_after(desk: Desk, collection_id: str, kind: str, object_id: str, day: str, *, done: str) -> Row:  # noqa: PLR0913 - what is placed, where, and what to say
    """Do as `place_on` for what was just made; a failure says that it was, in the words `done`, and not to repeat it.

    Raises `ToolFailed`.
    """
    try:
        return await place_on(desk, collection_id, kind, object_id, day)
    except ToolFailed as failure:
        why = failure.text
    except ToolUnavailable as away:
        why = str(away)
    except OutcomeUnknown:
        why = "whether Voyage has put it there is not known"
    message = f"{done}, but not to {day}: {why}"
    raise ToolFailed(message, retryable=False)


async def place_on(desk: Desk, collection_id: str, kind: str, object_id: str, day: str) -> Row:
    """Put an object behind the others of a day, and give the new entry; raises as `Desk.write`."""
    entry: dict[str, Any] = {"collection": collection_id, "content_type": kind, "object_id": object_id, "date": day}
    # Voyage makes of 1 the next number of the day.
    return shapes.item(row(await desk.write("POST", "/api/itineraries/", entry | {"order": 1})))
