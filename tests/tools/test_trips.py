"""Each tool on trips against Voyage's REST API: results, errors, and who may do what."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.secret import Secret
from app.tools.tool import OutcomeUnknown, ToolCaller, ToolResult, ToolUnavailable
from app.tools.voyage.source import VoyageTools
from app.tools.voyage.table import TRIP_TOOLS
from app.voyage.client import VoyageClient
from tests.tools.voyage_rest import VoyageRest

NAMES = [one.tool.name for one in TRIP_TOOLS]
PLACE = {"name": "Miradouro", "latitude": 38.712346, "longitude": "-9.13"}


@dataclass(slots=True)
class Desk:
    """Voyage, and what a caller's tools give."""

    rest: VoyageRest
    tools: VoyageTools

    async def call(self, tool: str, user: str = "ann", trip: str | None = None, /, **arguments: Any) -> ToolResult:
        self.rest.sessions.setdefault(f"{user}{'0' * 20}", user)
        caller = ToolCaller(user_id=user, session=Secret(f"{user}{'0' * 20}"), collection_id=trip)
        async with self.tools.open(caller) as session:
            return await session.call(tool, arguments, seconds=5.0)

    async def done(self, tool: str, user: str = "ann", trip: str | None = None, /, **arguments: Any) -> Any:
        result = await self.call(tool, user, trip, **arguments)
        assert not result.failed, result.value
        return result.value

    async def refused(self, tool: str, user: str = "ann", trip: str | None = None, /, **arguments: Any) -> str:
        result = await self.call(tool, user, trip, **arguments)
        assert result.failed
        assert set(result.value) <= {"error", "retryable"}
        return str(result.value["error"])


@asynccontextmanager
async def opened() -> AsyncGenerator[Desk]:
    async with VoyageRest() as rest, VoyageClient(rest.base_url, seconds=3.0) as client:
        yield Desk(rest, VoyageTools(client))


@pytest.fixture
async def desk() -> AsyncGenerator[Desk]:
    async with opened() as found:
        yield found


async def test_trips_are_listed_as_their_owner_sees_them(desk: Desk) -> None:
    trip = desk.rest.trip("ann")
    desk.rest.trip("ben")
    assert await desk.done("list_trips") == {
        "trips": [
            {
                "id": trip,
                "name": "Lisbon Week",
                "start_date": "2027-03-10",
                "end_date": "2027-03-14",
                "description": "",
                "location_count": 0,
            }
        ]
    }


async def test_a_whole_trip(desk: Desk) -> None:
    trip = desk.rest.trip("ann")
    place = await desk.done("add_to_itinerary", collection_id=trip, **PLACE, date="2027-03-11", description="view")
    stay = await desk.done(
        "add_lodging", "ann", trip, name="Hotel Um", type="Hotel", check_in="2027-03-10", itinerary_date="2027-03-10"
    )
    way = await desk.done(
        "add_transportation", collection_id=trip, name="TAP 123", type="plane", date="2027-03-10T07:00:00+01:00"
    )

    assert place == {
        "success": True,
        "location": {"id": place["location"]["id"], "name": "Miradouro", "latitude": 38.712346, "longitude": -9.13},
        "itinerary_item": {"id": place["itinerary_item"]["id"], "date": "2027-03-11", "order": 1},
    }
    assert stay["lodging"] == {
        "id": stay["lodging"]["id"],
        "name": "Hotel Um",
        "type": "hotel",
        "check_in": "2027-03-10T00:00:00+00:00",
        "check_out": None,
        "location": "",
        "latitude": None,
        "longitude": None,
    }
    assert stay["itinerary_item"]["date"] == "2027-03-10"
    assert (way["transportation"]["date"], way["itinerary_item"]) == ("2027-03-10T06:00:00+00:00", None)
    details = await desk.done("get_trip_details", collection_id=trip)
    assert details["trip"]["locations"] == [
        {
            "id": place["location"]["id"],
            "name": "Miradouro",
            "description": "view",
            "location": "",
            "latitude": 38.712346,
            "longitude": -9.13,
        }
    ]
    assert set(details["trip"]["lodging"][0]) == {"id", "name", "type", "check_in", "check_out", "location"}
    assert set(details["trip"]["transportation"][0]) == {"id", "name", "type", "date", "end_date"}
    assert [(item["name"], item["content_type"]) for item in details["trip"]["itinerary"]] == [
        ("Hotel Um", "lodging"),
        ("Miradouro", "location"),
    ]


async def test_a_place_that_is_there_is_not_added_twice(desk: Desk) -> None:
    trip, other = desk.rest.trip("ann"), desk.rest.trip("ann")
    first = await desk.done("add_to_itinerary", collection_id=trip, **PLACE)
    again = await desk.done("add_to_itinerary", collection_id=trip, **PLACE)
    elsewhere = await desk.done("add_to_itinerary", collection_id=other, **PLACE)
    assert again["itinerary_item"] == first["itinerary_item"]
    assert "already" in again["note"]
    assert elsewhere["location"]["id"] == first["location"]["id"]
    (place,) = desk.rest.locations.values()
    assert sorted(place["collections"]) == sorted([trip, other])


async def test_entries_are_moved_and_both_days_numbered_anew(desk: Desk) -> None:
    trip = desk.rest.trip("ann")
    for number in range(3):
        spot = {"name": f"P{number}", "latitude": number, "longitude": 1}
        await desk.done("add_to_itinerary", collection_id=trip, date="2027-03-11", **spot)
    last = await desk.done("add_to_itinerary", collection_id=trip, date="2027-03-12", **PLACE)
    first = (await desk.done("get_trip_details", collection_id=trip))["trip"]["itinerary"][0]
    moved = await desk.done(
        "move_itinerary_item", collection_id=trip, itinerary_item_id=first["id"], date="2027-03-12T09:00", order="0"
    )
    assert moved == {
        "success": True,
        "itinerary_item": {"id": first["id"], "date": "2027-03-12", "order": 0},
        "source_date": "2027-03-11",
        "target_date": "2027-03-12",
    }
    shown = (await desk.done("get_trip_details", collection_id=trip))["trip"]["itinerary"]
    assert [(item["name"], item["date"][-2:], item["order"]) for item in shown] == [
        ("P1", "11", 0),
        ("P2", "11", 1),
        ("P0", "12", 0),
        ("Miradouro", "12", 1),
    ]
    gone = await desk.done("remove_itinerary_item", collection_id=trip, itinerary_item_id=last["itinerary_item"]["id"])
    assert gone == {
        "success": True,
        "removed_itinerary_item_id": last["itinerary_item"]["id"],
        "removed_object_type": "location",
        "deleted_visit_count": 0,
    }


async def test_details_bookings_and_their_end(desk: Desk) -> None:
    trip = desk.rest.trip("ann", members=("ben",))
    place = (await desk.done("add_to_itinerary", collection_id=trip, **PLACE))["location"]["id"]
    changed = await desk.done(
        "update_location_details", "ben", collection_id=trip, location_id=place, name=" B ", latitude=38.7123456789
    )
    assert (changed["location"]["name"], changed["location"]["latitude"]) == ("B", 38.712346)
    stay = (await desk.done("add_lodging", collection_id=trip, name="H", itinerary_date="2027-03-10"))["lodging"]["id"]
    renamed = await desk.done(
        "update_lodging", "ben", collection_id=trip, lodging_id=stay, name="Hotel", location="Rua"
    )
    assert (renamed["lodging"]["name"], renamed["lodging"]["location"]) == ("Hotel", "Rua")
    removed = await desk.done("remove_lodging", "ben", collection_id=trip, lodging_id=stay)
    assert removed == {"success": True, "removed_lodging_id": stay, "removed_itinerary_items": 1}
    way = (await desk.done("add_transportation", collection_id=trip, name="T", type="rocket"))["transportation"]
    assert way["type"] == "other"
    later = await desk.done(
        "update_transportation",
        collection_id=trip,
        transportation_id=way["id"],
        end_date="2027-03-11",
        origin_latitude="41.8",
    )
    assert later["transportation"]["origin_latitude"] == 41.8
    ended = await desk.done("remove_transportation", collection_id=trip, transportation_id=way["id"])
    assert ended == {"success": True, "removed_transportation_id": way["id"], "removed_itinerary_items": 0}


def _whole(trip: str) -> dict[str, Any]:
    """Give arguments with which a tool would write."""
    ids = {f"{kind}_id": str(uuid4()) for kind in ("itinerary_item", "location", "lodging", "transportation")}
    return {"collection_id": trip, **ids, **PLACE, "type": "car", "date": "2027-03-11"}


@pytest.mark.parametrize("name", [one.tool.name for one in TRIP_TOOLS if one.tool.writes])
async def test_a_stranger_writes_nothing_not_even_in_a_public_trip(desk: Desk, name: str) -> None:
    trip = desk.rest.trip("ann", public=True)
    assert await desk.refused(name, "eve", **_whole(trip)) == "Trip not found"
    assert await desk.refused(name, "eve", **_whole(str(uuid4()))) == "Trip not found"
    assert await desk.refused(name, "eve", **_whole("no uuid")) == "Trip not found"
    assert desk.rest.writes == []


REQUIRED = {
    "get_trip_details": "collection_id is required",
    "add_to_itinerary": "collection_id, name, latitude, and longitude are required",
    "move_itinerary_item": "collection_id, itinerary_item_id, and date are required",
    "remove_itinerary_item": "collection_id and itinerary_item_id are required",
    "update_location_details": "collection_id and location_id are required",
    "add_lodging": "collection_id and name are required",
    "update_lodging": "collection_id and lodging_id are required",
    "remove_lodging": "collection_id and lodging_id are required",
    "add_transportation": "collection_id, name, and type are required",
    "update_transportation": "collection_id and transportation_id are required",
    "remove_transportation": "collection_id and transportation_id are required",
}


@pytest.mark.parametrize("name", REQUIRED)
async def test_what_is_missing_is_said_in_voyages_words(desk: Desk, name: str) -> None:
    assert await desk.refused(name) == REQUIRED[name]


async def test_wrong_arguments_are_refused_before_anything_is_written(desk: Desk) -> None:
    trip = desk.rest.trip("ann")
    stay = (await desk.done("add_lodging", collection_id=trip, name="H"))["lodging"]["id"]
    desk.rest.writes.clear()
    said = [
        await desk.refused("add_to_itinerary", collection_id=trip, **PLACE, date="2027-04-01"),
        await desk.refused("add_to_itinerary", collection_id=trip, **PLACE, date="11/03/2027"),
        await desk.refused("add_to_itinerary", collection_id=trip, name="A", latitude=95.5, longitude=1),
        await desk.refused("add_lodging", collection_id=trip, name="H", check_in="soon"),
        await desk.refused("add_lodging", collection_id=trip, name="H", itinerary_date="x"),
        await desk.refused("update_lodging", collection_id=trip, lodging_id=stay),
        await desk.refused("update_lodging", collection_id=trip, lodging_id=str(uuid4()), name="H"),
        await desk.refused("update_lodging", collection_id=trip, lodging_id=stay, latitude="north"),
        await desk.refused("move_itinerary_item", collection_id=trip, itinerary_item_id="1", date="2027-03-11"),
    ]
    assert said == [
        "2027-04-01 is outside of the trip, which lasts from 2027-03-10 to 2027-03-14",
        "date must be in YYYY-MM-DD format",
        "latitude must be between -90 and 90",
        "check_in must be a valid ISO date or datetime",
        "itinerary_date must be in YYYY-MM-DD format",
        "At least one field to update is required",
        "Lodging not found",
        "latitude must be numeric",
        "Itinerary item not found",
    ]
    assert desk.rest.writes == []


async def test_writes_of_one_run_follow_one_another(desk: Desk) -> None:
    trip = desk.rest.trip("ann")
    desk.rest.sessions["ann" + "0" * 20] = "ann"
    async with desk.tools.open(ToolCaller(user_id="ann", session=Secret("ann" + "0" * 20))) as session:
        spots = [{"name": f"P{number}", "latitude": number, "longitude": 1} for number in range(6)]
        calls = (session.call("add_to_itinerary", {"collection_id": trip, **spot}, seconds=5) for spot in spots)
        results = await asyncio.gather(*calls)
    assert sorted(result.value["itinerary_item"]["order"] for result in results) == [1, 2, 3, 4, 5, 6]


async def test_voyages_refusals_are_typed(desk: Desk) -> None:
    trip = desk.rest.trip("ann")
    with pytest.raises(ToolUnavailable, match="Sign in"):
        async with desk.tools.open(ToolCaller(user_id="ann")) as session:
            await session.call("list_trips", {}, seconds=5)
    desk.rest.budget = 0
    result = await desk.call("list_trips")
    assert (result.failed, result.retryable, result.value["retryable"]) == (True, False, False)
    desk.rest.budget = 1000
    assert await desk.refused("update_location_details", collection_id=trip, location_id=str(uuid4()), name="x") == (
        "Location not found in this trip"
    )

    async def hang(request: Any) -> None:
        if request.method == "POST":
            await asyncio.sleep(3600)

    desk.rest.delay = hang
    async with VoyageClient(desk.rest.base_url, seconds=0.3) as client:
        quick = Desk(desk.rest, VoyageTools(client))
        with pytest.raises(OutcomeUnknown):
            await quick.call("add_lodging", collection_id=trip, name="H")
    async with VoyageClient("http://127.0.0.1:9", seconds=0.3) as client:
        with pytest.raises(ToolUnavailable, match="cannot be reached"):
            await Desk(desk.rest, VoyageTools(client)).call("list_trips")


def answering(method: str, path: str, response: web.HTTPException) -> Any:
    """Give what has Voyage answer so to some requests, without doing anything."""

    async def answer(request: web.Request) -> None:
        if request.method == method and request.path.startswith(path):
            raise response

    return answer


@pytest.mark.parametrize("response", [web.HTTPGatewayTimeout(), web.HTTPBadGateway(), web.HTTPOk(text="<html>")])
async def test_a_change_that_voyage_may_have_made_has_no_known_outcome(desk: Desk, response: web.HTTPException) -> None:
    trip = desk.rest.trip("ann")
    desk.rest.delay = answering("POST", "/api/lodging/", response)
    with pytest.raises(OutcomeUnknown):
        await desk.call("add_lodging", collection_id=trip, name="H")


@pytest.mark.parametrize("response", [web.HTTPFound("/login"), web.HTTPTooManyRequests(), web.HTTPBadGateway()])
async def test_what_was_added_is_said_where_its_day_failed(desk: Desk, response: web.HTTPException) -> None:
    trip = desk.rest.trip("ann")
    desk.rest.delay = answering("POST", "/api/itineraries/", response)
    for tool, arguments in (
        ("add_lodging", {"name": "H", "itinerary_date": "2027-03-11"}),
        ("add_to_itinerary", {**PLACE, "date": "2027-03-11"}),
    ):
        result = await desk.call(tool, collection_id=trip, **arguments)
        assert (result.failed, result.retryable) == (True, False)
        assert f"{arguments['name']} was added to the trip, but not to 2027-03-11" in result.value["error"]
    assert (len(desk.rest.lodging), len(desk.rest.locations)) == (1, 1)


async def test_a_place_whose_trips_voyage_does_not_tell_keeps_them(desk: Desk) -> None:
    first, second = desk.rest.trip("ann"), desk.rest.trip("ann")
    await desk.done("add_to_itinerary", collection_id=first, **PLACE, date="2027-03-11")
    (known,) = desk.rest.locations
    desk.rest.delay = answering("GET", f"/api/locations/{known}/", web.HTTPForbidden(text="{}"))
    await desk.refused("add_to_itinerary", collection_id=second, **PLACE, date="2027-03-11")
    assert desk.rest.locations[known]["collections"] == [first]


async def test_what_was_late_before_anything_was_sent_has_changed_nothing(desk: Desk) -> None:
    trip = desk.rest.trip("ann")

    async def hang(_: web.Request) -> None:
        await asyncio.sleep(3600)

    desk.rest.delay = hang
    caller = ToolCaller(user_id="ann", session=Secret(f"ann{'0' * 20}"), collection_id=trip)
    async with desk.tools.open(caller) as session:
        with pytest.raises(ToolUnavailable, match="Nothing was changed"):
            await session.call("add_lodging", {"collection_id": trip, "name": "H"}, seconds=0.2)
    assert desk.rest.writes == []


async def test_two_conversations_change_a_trip_one_after_the_other(desk: Desk) -> None:
    trip = desk.rest.trip("ann", members=("ben",))
    under_way = most = 0

    async def slow(request: web.Request) -> None:
        nonlocal under_way, most
        if request.method == "POST":
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.02)
            under_way -= 1

    desk.rest.delay = slow
    await asyncio.gather(
        *(desk.done("add_lodging", user, collection_id=trip, name=user) for user in ("ann", "ben") for _ in range(3))
    )
    assert (most, len(desk.rest.lodging)) == (1, 6)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = sorted({key for one in TRIP_TOOLS for key in one.tool.parameters["properties"]})


@given(name=st.sampled_from(NAMES), given_=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_arguments_get_words_and_break_nothing(name: str, given_: dict[str, Any]) -> None:
    async def run() -> None:
        async with opened() as desk:
            trip = desk.rest.trip("ann")
            result = await desk.call(name, "ann", trip, **{"collection_id": trip, **given_})
            assert not result.failed or isinstance(result.value["error"], str)
            assert "could not do this" not in str(result.value), "Voyage crashed"

    asyncio.run(run())
