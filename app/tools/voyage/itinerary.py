"""The entries of an itinerary: moved, removed."""

from typing import Any, Final

from app.tools.voyage import shapes
from app.tools.voyage.arguments import Arguments
from app.tools.voyage.days import check_day
from app.tools.voyage.desk import Desk, Row, listed, row, rows
from app.tools.voyage.failure import ToolFailed, required
from app.tools.voyage.shapes import text

NO_ITEM: Final = "Itinerary item not found"
_MOVING: Final = ("collection_id", "itinerary_item_id", "date")


async def move_itinerary_item(desk: Desk, arguments: Arguments) -> Row:
    """Move an entry to a day, and there to a place; the days that it leaves and comes to are numbered anew."""
    collection_id = desk.collection_id(arguments)
    if not collection_id or not arguments.has("itinerary_item_id") or not arguments.has("date"):
        raise required(*_MOVING)
    item_id = arguments.uuid("itinerary_item_id", otherwise=NO_ITEM)
    day, at = arguments.day("date") or "", arguments.number("order")
    async with desk.writing(collection_id):
        trip = await desk.member_trip(collection_id)
        moved = _item(trip, item_id)
        check_day(trip, day)
        source = moved.get("date")
        target = [one for one in _on(trip, day) if one is not moved]
        target.insert(len(target) if at is None else max(0, min(int(at), len(target))), moved)
        changes = _numbered(target, day)
        if isinstance(source, str) and source != day and _inside(trip, source):
            changes += _numbered([one for one in _on(trip, source) if one is not moved], source)
        answer = listed(await desk.write("POST", "/api/itineraries/reorder/", {"items": changes}))
    found = next((one for one in answer if str(one.get("id")) == item_id), {"id": item_id, "date": day, "order": None})
    return {"success": True, "itinerary_item": shapes.item(found), "source_date": source, "target_date": day}


async def remove_itinerary_item(desk: Desk, arguments: Arguments) -> Row:
    """Take an entry off the itinerary; what it stood for stays in the trip."""
    collection_id = desk.collection_id(arguments)
    if not collection_id or not arguments.has("itinerary_item_id"):
        raise required(*_MOVING[:2])
    item_id = arguments.uuid("itinerary_item_id", otherwise=NO_ITEM)
    async with desk.writing(collection_id):
        trip = await desk.member_trip(collection_id)
        item = _item(trip, item_id)
        visits = await _visits(desk, trip, item)
        await desk.write("DELETE", f"/api/itineraries/{item_id}/")
    return {
        "success": True,
        "removed_itinerary_item_id": item_id,
        "removed_object_type": text(item.get("object_name")),
        "deleted_visit_count": visits,
    }


async def _visits(desk: Desk, trip: Row, item: Row) -> int:
    """Count the visits that Voyage deletes with an entry: those of its place on its day."""
    day, object_id = item.get("date"), str(item.get("object_id"))
    if item.get("object_name") != "location" or not isinstance(day, str):
        return 0
    place = next((one for one in rows(trip, "locations") if str(one.get("id")) == object_id), None)
    if place is None:
        place = row((await desk.get(f"/api/locations/{object_id}/")).data)
    return sum(text(one.get("start_date"))[:10] == day for one in rows(place, "visits"))


def _item(trip: Row, item_id: str) -> Row:
    found = next((one for one in rows(trip, "itinerary") if str(one.get("id")) == item_id), None)
    if found is None:
        raise ToolFailed(NO_ITEM)
    return found


def _on(trip: Row, day: str) -> list[Row]:
    there = [one for one in rows(trip, "itinerary") if one.get("date") == day and one.get("is_global") is not True]
    return sorted(there, key=lambda one: one.get("order") or 0)


def _inside(trip: Row, day: str) -> bool:
    try:
        check_day(trip, day)
    except ToolFailed:
        return False
    return True


def _numbered(items: list[Row], day: str) -> list[dict[str, Any]]:
    return [{"id": one.get("id"), "date": day, "order": at, "is_global": False} for at, one in enumerate(items)]
