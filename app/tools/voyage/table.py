"""The tools on trips: what each is called, takes and does."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from app.tools.tool import Tool
from app.tools.voyage.arguments import Arguments
from app.tools.voyage.bookings import LODGING, TRANSPORTATION
from app.tools.voyage.desk import Desk, Row
from app.tools.voyage.itinerary import move_itinerary_item, remove_itinerary_item
from app.tools.voyage.places import add_to_itinerary, update_location_details
from app.tools.voyage.trips import get_trip_details, list_trips

Handle = Callable[[Desk, Arguments], Awaitable[Row]]
_TRIP: Final = "collection_id: the trip's id; the trip of this conversation where it is left out."
_DAY: Final = "a day of the trip as YYYY-MM-DD"
_MOMENT: Final = "an ISO date or date and time"
_STAYS: Final = "hotel, hostel, resort, bnb, campground, cabin, apartment, house, villa, motel or other"
_WAYS: Final = "car, plane, train, bus, boat, bike, walking or other"


@dataclass(frozen=True, slots=True)
class TripTool:
    """A tool, and what carries it out."""

    tool: Tool
    handle: Handle


def _row(  # noqa: PLR0913 - the columns of the table
    handle: Handle,
    name: str,
    description: str,
    required: str = "",
    types: Mapping[str, Any] = MappingProxyType({}),
    *,
    reads: bool = False,
) -> TripTool:
    properties = {key: {"type": kind} if isinstance(kind, str) else kind for key, kind in types.items()}
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return TripTool(Tool(name=name, description=description, parameters=schema, writes=not reads, mends=True), handle)


def _says(kind: str, text: str) -> dict[str, str]:
    return {"type": kind, "description": text}


_PLACES: Final = {f"{end}_{axis}": "number" for end in ("origin", "destination") for axis in ("latitude", "longitude")}
_STAY: Final[dict[str, Any]] = {
    "name": "string",
    "type": _says("string", _STAYS),
    "location": _says("string", "the address"),
    "check_in": _says("string", _MOMENT),
    "check_out": _says("string", _MOMENT),
    "latitude": "number",
    "longitude": "number",
}
_WAY: Final[dict[str, Any]] = {
    "name": _says("string", "as a flight number, or a line"),
    "type": _says("string", _WAYS),
    "date": _says("string", f"the departure: {_MOMENT}"),
    "end_date": _says("string", f"the arrival: {_MOMENT}"),
    "from_location": "string",
    "to_location": "string",
    **_PLACES,
}

TRIP_TOOLS: Final[tuple[TripTool, ...]] = (
    _row(list_trips, "list_trips", "Lists the user's trips with their ids and dates.", reads=True),
    _row(
        get_trip_details,
        "get_trip_details",
        f"Gives a trip with its places, lodging, transportation and itinerary, and the ids to change them by. {_TRIP}",
        "collection_id",
        {
            "collection_id": "string",
        },
        reads=True,
    ),
    _row(
        add_to_itinerary,
        "add_to_itinerary",
        f"Adds a place to a day of a trip; look its coordinates up before. {_TRIP} Without a date it is the first day.",
        "collection_id name latitude longitude",
        {
            "collection_id": "string",
            "name": "string",
            "latitude": "number",
            "longitude": "number",
            "description": "string",
            "date": _says("string", _DAY),
            "location_address": "string",
        },
    ),
    _row(
        move_itinerary_item,
        "move_itinerary_item",
        f"Moves an entry of the itinerary to another day, or to another place in a day. {_TRIP}",
        "collection_id itinerary_item_id date",
        {
            "collection_id": "string",
            "itinerary_item_id": "string",
            "date": _says("string", _DAY),
            "order": _says("number", "the place in the day, from 0; the end where it is left out"),
        },
    ),
    _row(
        remove_itinerary_item,
        "remove_itinerary_item",
        f"Takes an entry off the itinerary; the place itself stays in the trip. {_TRIP}",
        "collection_id itinerary_item_id",
        {
            "collection_id": "string",
            "itinerary_item_id": "string",
        },
    ),
    _row(
        update_location_details,
        "update_location_details",
        f"Changes name, description, address or coordinates of a place of a trip. {_TRIP}",
        "collection_id location_id",
        {
            "collection_id": "string",
            "location_id": "string",
            "name": "string",
            "description": "string",
            "location": _says("string", "the address"),
            "latitude": "number",
            "longitude": "number",
        },
    ),
    _row(
        LODGING.add,
        "add_lodging",
        f"Adds a place to stay to a trip, and to a day of its itinerary where itinerary_date says so. {_TRIP}",
        "collection_id name",
        {
            "collection_id": "string",
            "itinerary_date": _says("string", _DAY),
            **_STAY,
        },
    ),
    _row(
        LODGING.update,
        "update_lodging",
        f"Changes a place to stay of a trip; what is left out stays as it is. {_TRIP}",
        "collection_id lodging_id",
        {
            "collection_id": "string",
            "lodging_id": "string",
            **_STAY,
        },
    ),
    _row(
        LODGING.remove,
        "remove_lodging",
        f"Deletes a place to stay from a trip, with its entries in the itinerary. {_TRIP}",
        "collection_id lodging_id",
        {
            "collection_id": "string",
            "lodging_id": "string",
        },
    ),
    _row(
        TRANSPORTATION.add,
        "add_transportation",
        f"Adds a flight, a train or another way to travel to a trip, and to the day itinerary_date. {_TRIP}",
        "collection_id name type",
        {
            "collection_id": "string",
            "itinerary_date": _says("string", _DAY),
            **_WAY,
        },
    ),
    _row(
        TRANSPORTATION.update,
        "update_transportation",
        f"Changes a way to travel of a trip; what is left out stays as it is. {_TRIP}",
        "collection_id transportation_id",
        {
            "collection_id": "string",
            "transportation_id": "string",
            **_WAY,
        },
    ),
    _row(
        TRANSPORTATION.remove,
        "remove_transportation",
        f"Deletes a way to travel from a trip, with its entries in the itinerary. {_TRIP}",
        "collection_id transportation_id",
        {
            "collection_id": "string",
            "transportation_id": "string",
        },
    ),
)
