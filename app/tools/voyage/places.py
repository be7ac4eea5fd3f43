"""The places of a trip: added to a day, changed."""

from typing import Any, Final

from app.tools.voyage import shapes
from app.tools.voyage.arguments import MAX_NAME, Arguments
from app.tools.voyage.days import check_day, default_day, place_after, place_on
from app.tools.voyage.desk import Desk, Row, listed, row, rows
from app.tools.voyage.failure import ToolFailed, required

_ADDING: Final = ("collection_id", "name", "latitude", "longitude")
_CHANGING: Final = ("collection_id", "location_id")
NEAR: Final = 0.000_01
"""Degrees within which two places are the same one."""


async def add_to_itinerary(desk: Desk, arguments: Arguments) -> Row:
    """Put a place on a day of a trip; one that is there already is not added again."""
    collection_id, place = desk.collection_id(arguments), arguments.place()
    name = arguments.text("name", limit=MAX_NAME)
    if not collection_id or not name or len(place) < 2:  # noqa: PLR2004 - both coordinates
        raise required(*_ADDING)
    day = arguments.day("date")
    async with desk.writing(collection_id):
        trip = await desk.member_trip(collection_id)
        day = day or default_day(trip)
        check_day(trip, day)
        found, added = await _known(desk, trip, name, place)
        if found is None:
            added = True
            address = arguments.text("location_address", limit=MAX_NAME)
            said = {"description": arguments.text("description"), "location": address}
            wanted: dict[str, Any] = {"name": name, **place, **said, "collections": [collection_id]}
            found = row(await desk.write("POST", "/api/locations/", wanted))
        location_id = str(found.get("id"))
        shown = {"id": location_id, "name": name, **place}
        for item in rows(trip, "itinerary"):
            on_day = item.get("object_name") == "location" and item.get("date") == day
            if on_day and str(item.get("object_id")) == location_id:
                note = f"{name} is already on {day}."
                return {"success": True, "location": shown, "itinerary_item": shapes.item(item), "note": note}
        if added:
            done = f"{name} was added to the trip"
            item = await place_after(desk, collection_id, "location", location_id, day, done=done)
        else:
            item = await place_on(desk, collection_id, "location", location_id, day)
    return {"success": True, "location": shown, "itinerary_item": item}


async def _known(desk: Desk, trip: Row, name: str, place: dict[str, float]) -> tuple[Row | None, bool]:
    """Give the caller's own place of this name in this spot, linked to the trip, and whether that was done now."""
    me = next((one.get("uuid") for one in rows(trip, "collaborators") if one.get("is_current_user") is True), None)
    for one in rows(trip, "locations"):
        if row(one.get("user")).get("uuid") == me and _same(one, name, place):
            return one, False
    for one in listed(await desk.read("/api/locations/pins/")):
        if _same(one, name, place):
            return await _linked(desk, str(one.get("id")), str(trip.get("id")))
    return None, False


async def _linked(desk: Desk, location_id: str, collection_id: str) -> tuple[Row, bool]:
    trips = row(await desk.read(f"/api/locations/{location_id}/")).get("collections")
    if not isinstance(trips, list):
        message = "Voyage does not say in which trips this place is, so it was not added to another one."
        raise ToolFailed(message)
    added = collection_id not in trips
    if added:
        # The list is replaced as a whole, and a trip that is left out would lose the place.
        await desk.write("PATCH", f"/api/locations/{location_id}/", {"collections": [*trips, collection_id]})
    return {"id": location_id}, added


def _same(one: Row, name: str, place: dict[str, float]) -> bool:
    if one.get("name") != name:
        return False
    spots = ((shapes.number(one.get(axis)), value) for axis, value in place.items())
    return all(known is not None and abs(known - value) <= NEAR for known, value in spots)


async def update_location_details(desk: Desk, arguments: Arguments) -> Row:
    """Change what is said of a place of a trip."""
    collection_id = desk.collection_id(arguments)
    if not collection_id or not arguments.has("location_id"):
        raise required(*_CHANGING)
    missing = "Location not found in this trip"
    location_id = arguments.uuid("location_id", otherwise=missing)
    texts = (one for one in ("description", "location") if arguments.given(one))
    changes: dict[str, Any] = {one: arguments.text(one) for one in texts}
    if name := arguments.text("name", limit=MAX_NAME):
        changes["name"] = name
    changes |= arguments.place()
    if not changes:
        message = "At least one field to update is required"
        raise ToolFailed(message)
    async with desk.writing(collection_id):
        trip = await desk.member_trip(collection_id)
        if not any(str(one.get("id")) == location_id for one in rows(trip, "locations")):
            raise ToolFailed(missing)
        changed = row(await desk.write("PATCH", f"/api/locations/{location_id}/", changes))
    return {"success": True, "location": shapes.location(changed)}
