"""Reading trips."""

from typing import Final

from app.tools.voyage import shapes
from app.tools.voyage.arguments import Arguments
from app.tools.voyage.desk import NO_TRIP, TRIP, Desk, Row, listed, row, rows
from app.tools.voyage.failure import ToolFailed, required
from app.tools.voyage.shapes import text

_NAMED = ("locations", "transportations", "lodging", "notes", "checklists")


async def list_trips(desk: Desk, arguments: Arguments) -> Row:
    """Give the caller's own trips, the oldest first."""
    del arguments
    answer = await desk.get("/api/collections/all/")
    if answer.status // 100 != 2:  # noqa: PLR2004 - the class of statuses
        message = "Voyage does not show any trips to this session."
        raise ToolFailed(message)
    found = sorted(listed(answer.data), key=lambda one: text(one.get("created_at")))
    return {
        "trips": [
            {
                "id": one.get("id"),
                "name": text(one.get("name")),
                "start_date": one.get("start_date"),
                "end_date": one.get("end_date"),
                "description": text(one.get("description")),
                "location_count": one.get("location_count") or 0,
            }
            for one in found
        ]
    }


async def get_trip_details(desk: Desk, arguments: Arguments) -> Row:
    """Give one trip with everything in it."""
    collection_id = desk.collection_id(arguments)
    if not collection_id:
        raise required(TRIP)
    try:
        trip = await desk.member_trip(collection_id)
    except ToolFailed as failure:
        if failure.text != NO_TRIP:
            raise
        message = "collection_id must name a trip of yours, or one that is shared with you"
        raise ToolFailed(message) from None
    names = {str(one.get("id")): text(one.get("name")) for name in _NAMED for one in rows(trip, name)}
    return {"trip": shapes.trip(trip, names | await _unlinked(desk, trip, names))}


MAX_LOOKED_UP: Final = 10
"""Each is a request of the user's, who has a thousand a day; the places beyond have no name."""


async def _unlinked(desk: Desk, trip: Row, names: dict[str, str]) -> dict[str, str]:
    """Look up the places of the itinerary that are not among those of the trip."""
    found: dict[str, str] = {}
    for one in rows(trip, "itinerary"):
        object_id = str(one.get("object_id"))
        if len(found) >= MAX_LOOKED_UP:
            break
        if one.get("object_name") == "location" and object_id not in names and object_id not in found:
            answer = await desk.get(f"/api/locations/{object_id}/")
            found[object_id] = text(row(answer.data).get("name")) if answer.status // 100 == 2 else ""  # noqa: PLR2004 - see above
    return found
