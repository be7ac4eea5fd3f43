"""Lodging and transportation, which Voyage keeps in the same way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from app.tools.voyage import shapes
from app.tools.voyage.arguments import MAX_NAME, Arguments
from app.tools.voyage.days import check_day, place_after
from app.tools.voyage.desk import TRIP, Desk, Row, row, rows
from app.tools.voyage.failure import ToolFailed, required


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One of the two kinds."""

    kind: str
    """Its word in names, results and the itinerary."""
    path: str
    listed: str
    """Its key in a trip."""
    types: frozenset[str]
    needs: tuple[str, ...]
    """What a new one cannot do without."""
    texts: tuple[str, ...]
    moments: tuple[str, ...]
    places: tuple[str, ...]
    shape: Callable[[Mapping[str, Any]], Row]

    async def add(self, desk: Desk, arguments: Arguments) -> Row:
        """Add one to a trip, and to a day where one is named."""
        collection_id, name = desk.collection_id(arguments), arguments.text("name", limit=MAX_NAME)
        if not collection_id or not name or ("type" in self.needs and not arguments.has("type")):
            raise required(*self.needs)
        fields = self._fields(arguments)
        wanted = {"collection": collection_id, "type": "other", **fields, "name": name}
        day = arguments.day("itinerary_date")
        async with desk.writing(collection_id):
            trip = await desk.member_trip(collection_id)
            if day is not None:
                check_day(trip, day)
            made = row(await desk.write("POST", self.path, wanted))
            item = None
            if day is not None:
                done = f"{name} was added to the trip"
                item = await place_after(desk, collection_id, self.kind, str(made.get("id")), day, done=done)
        return {"success": True, self.kind: self.shape(made), "itinerary_item": item}

    async def update(self, desk: Desk, arguments: Arguments) -> Row:
        """Change one of a trip."""
        collection_id, own_id = self._named(desk, arguments)
        fields = self._fields(arguments)
        if not fields:
            message = "At least one field to update is required"
            raise ToolFailed(message)
        async with desk.writing(collection_id):
            self._of(await desk.member_trip(collection_id), own_id)
            # Without the trip Voyage takes a member's change for its removal from there.
            wanted = {"collection": collection_id, **fields}
            changed = row(await desk.write("PATCH", f"{self.path}{own_id}/", wanted))
        return {"success": True, self.kind: self.shape(changed)}

    async def remove(self, desk: Desk, arguments: Arguments) -> Row:
        """Delete one of a trip, with its entries in the itinerary."""
        collection_id, own_id = self._named(desk, arguments)
        async with desk.writing(collection_id):
            trip = await desk.member_trip(collection_id)
            self._of(trip, own_id)
            entries = (one for one in rows(trip, "itinerary") if one.get("object_name") == self.kind)
            count = sum(str(one.get("object_id")) == own_id for one in entries)
            await desk.write("DELETE", f"{self.path}{own_id}/")
        return {"success": True, f"removed_{self.kind}_id": own_id, "removed_itinerary_items": count}

    def _named(self, desk: Desk, arguments: Arguments) -> tuple[str, str]:
        collection_id, name = desk.collection_id(arguments), f"{self.kind}_id"
        if not collection_id or not arguments.has(name):
            names = (TRIP, name)
            raise required(*names)
        return collection_id, arguments.uuid(name, otherwise=self._missing)

    def _of(self, trip: Row, own_id: str) -> Row:
        found = next((one for one in rows(trip, self.listed) if str(one.get("id")) == own_id), None)
        if found is None:
            raise ToolFailed(self._missing)
        return found

    @property
    def _missing(self) -> str:
        return f"{self.kind.capitalize()} not found"

    def _fields(self, arguments: Arguments) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if name := arguments.text("name", limit=MAX_NAME):
            fields["name"] = name
        if kind := arguments.text("type").lower():
            fields["type"] = kind if kind in self.types else "other"
        fields |= {name: arguments.text(name, limit=MAX_NAME) for name in self.texts if arguments.given(name)}
        fields |= {name: moment for name in self.moments if (moment := arguments.moment(name)) is not None}
        for prefix in self.places:
            fields |= arguments.place(prefix)
        return fields


LODGING: Final = Booking(
    kind="lodging",
    path="/api/lodging/",
    listed="lodging",
    types=frozenset(
        "hotel hostel resort bnb campground cabin apartment house villa motel other".split()  # noqa: SIM905 - ten words
    ),
    needs=(TRIP, "name"),
    texts=("location",),
    moments=("check_in", "check_out"),
    places=("",),
    shape=shapes.lodging,
)
TRANSPORTATION: Final = Booking(
    kind="transportation",
    path="/api/transportations/",
    listed="transportations",
    types=frozenset({"car", "plane", "train", "bus", "boat", "bike", "walking", "other"}),
    needs=(TRIP, "name", "type"),
    texts=("from_location", "to_location"),
    moments=("date", "end_date"),
    places=("origin_", "destination_"),
    shape=shapes.transportation,
)
