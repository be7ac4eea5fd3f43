from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.secret import Secret
from app.tools.tool import ToolCaller
from app.voyage.client import VoyageClient
from tests.tools.public.fake import FakePublic
from tests.tools.public.overpass import node, way
from tests.tools.public.using import Toolbox, toolbox
from tests.voyage.fake import FakeVoyage

ROME = ("41.8933203", "12.4829321")


@pytest.fixture
async def box(public: FakePublic) -> AsyncIterator[Toolbox]:
    public.geocoded["Rome"] = ROME
    public.elements = [
        node(
            7,
            41.9,
            12.49,
            name="Trattoria",
            amenity="restaurant",
            addr__street="Via Uno",
            addr__housenumber="1",
            addr__city="Roma",
            website="https://trattoria.example/",
        ),
        node(3, 41.894, 12.483, name="Bar Sport", amenity="bar", contact__website="javascript:alert(1)"),
        node(1, 41.8934, 12.483, amenity="cafe"),
        node(2, 41.8934, 12.483, name="Biergarten", amenity="biergarten"),
        node(9, 45.46, 9.19, name="Trattoria Milano", amenity="restaurant"),
        way(5, 41.8902, 12.4922, name="Colosseo", tourism="attraction", wikidata="Q10285", url="www.colosseo.example"),
        way(6, 41.8935, 12.4829, name="Piccolo Museo", tourism="museum", addr__full="Piazza 2,\nRoma"),
        node(8, 41.895, 12.48, name="Hotel Uno", tourism="hotel"),
    ]
    async with toolbox(public) as opened:
        yield opened


async def test_the_documented_answer(box: Toolbox) -> None:
    result = await box.call("search_places", location="Rome", category="food")

    assert not result.failed
    assert result.value == {
        "location": "Rome",
        "category": "food",
        "results": [
            {
                "name": "Trattoria",
                "address": "Via Uno 1, Roma",
                "latitude": 41.9,
                "longitude": 12.49,
                "category": "food",
                "link": "https://trattoria.example/",
                "official_website": "https://trattoria.example/",
                "map_url": "https://www.openstreetmap.org/node/7",
            },
            {
                "name": "Bar Sport",
                "address": "",
                "latitude": 41.894,
                "longitude": 12.483,
                "category": "food",
                "link": "https://www.openstreetmap.org/node/3",
                "official_website": None,
                "map_url": "https://www.openstreetmap.org/node/3",
            },
        ],
    }


async def names(box: Toolbox, **arguments: Any) -> list[str]:
    result = await box.call("search_places", {"location": "Rome", **arguments})
    return [place["name"] for place in result.value["results"]]


async def test_known_sights_come_first_then_near_ones(box: Toolbox) -> None:
    result = await box.call("search_places", location="Rome")

    assert result.value["category"] == "tourism"
    assert [(place["name"], place["link"], place["address"]) for place in result.value["results"]] == [
        ("Colosseo", "https://www.colosseo.example", ""),
        ("Piccolo Museo", "https://www.openstreetmap.org/way/6", "Piazza 2, Roma"),
    ]


async def test_each_category_finds_its_own(box: Toolbox) -> None:
    assert await names(box, category="lodging") == ["Hotel Uno"]
    assert await names(box, category=" FOOD ") == ["Trattoria", "Bar Sport"]
    # As Voyage does: an unknown one is echoed and searches for sights.
    assert await names(box, category="castles") == ["Colosseo", "Piccolo Museo"]
    assert (await box.call("search_places", location="Rome", category="castles")).value["category"] == "castles"


@pytest.mark.parametrize(
    ("radius", "metres"),
    [(None, 10000), (0, 10000), ("", 10000), ("2.5", 2500), (0.1, 500), (-1e308, 500), (1e308, 50000), (12, 12000)],
)
async def test_the_radius_has_bounds(box: Toolbox, public: FakePublic, radius: object, metres: int) -> None:
    await box.call("search_places", location="Rome", radius=radius)

    assert f"(around:{metres},41.89300,12.48300)" in public.asked("overpass")[0].form["data"]


@pytest.mark.parametrize("radius", ["far", True, [], "nan", float("inf"), 10**400])
async def test_a_radius_that_is_none_is_told_before_anybody_is_asked(
    box: Toolbox, public: FakePublic, radius: object
) -> None:
    result = await box.call("search_places", location="Rome", radius=radius)

    assert (result.failed, result.value) == (True, {"error": "radius must be a number of kilometres"})
    assert public.seen == []


@pytest.mark.parametrize("location", [None, "", " \n\u200b", 5, [], {}])
async def test_no_location_is_the_error_that_ends_a_turn(box: Toolbox, public: FakePublic, location: object) -> None:
    result = await box.call("search_places", location=location)

    assert (result.failed, result.retryable, result.value) == (True, True, {"error": "location is required"})
    assert public.seen == []


async def test_what_is_not_on_the_map_is_said(box: Toolbox) -> None:
    result = await box.call("search_places", location="Atlantis")

    assert (result.failed, result.value) == (True, {"error": "Could not geocode location: Atlantis"})


async def test_nothing_found_is_a_success(box: Toolbox, public: FakePublic) -> None:
    public.elements = []
    result = await box.call("search_places", location="Rome")

    assert (result.failed, result.value["results"]) == (False, [])


async def test_five_at_most_and_each_once(box: Toolbox, public: FakePublic) -> None:
    public.elements = [
        node(number, 41.8933 + number / 10000, 12.4829, name=f"M{number}", tourism="museum", wikidata="Q1")
        for number in range(1, 300)
    ]

    assert await names(box) == ["M1", "M2", "M3", "M4", "M5"]


async def test_what_is_not_wanted_takes_no_room(box: Toolbox, public: FakePublic) -> None:
    for number in range(1000, 1200):
        public.elements.append(node(number, 41.8933, 12.4829, amenity="cafe", website="https://a.example"))
        public.elements.append(
            node(number, 41.8933, 12.4829, name="Cut", amenity="barber", website="https://a.example")
        )
    public.elements.append(node(9999, 41.8934, 12.483, name="Late", amenity="cafe"))

    assert await names(box, category="food") == ["Trattoria", "Late", "Bar Sport"]


async def test_a_server_that_ran_out_of_time_is_no_empty_answer(box: Toolbox, public: FakePublic) -> None:
    public.remark = 'runtime error: Query timed out in "query" at line 3 after 16 seconds.'
    result = await box.call("search_places", location="Rome")

    assert (result.failed, result.retryable) == (True, True)
    assert "overloaded" in result.value["error"]
    public.remark = None
    # And it is not remembered.
    assert await names(box) == ["Colosseo", "Piccolo Museo"]


@pytest.fixture
async def trip() -> AsyncIterator[tuple[VoyageClient, ToolCaller]]:
    async with FakeVoyage() as voyage, VoyageClient(voyage.base_url) as client:
        session = Secret(voyage.sign_in(7, "ada"))
        place = {"name": "Fontana", "city": {"name": "Rome"}, "country": None}
        trip_id = voyage.add_trip(7, locations=[place], start_date="2026-11-27", end_date="2027-01-01")
        yield client, ToolCaller(user_id="7", session=session, collection_id=trip_id)


async def test_the_trip_helps_where_the_location_does_not(
    public: FakePublic, trip: tuple[VoyageClient, ToolCaller]
) -> None:
    public.geocoded["Rome"] = ROME
    client, caller = trip
    async with toolbox(public, voyage=client) as box:
        missing = await box.call("search_places", caller=caller)
        unknown = await box.call("search_places", location="the old town", caller=caller)
        public.geocoded.clear()
    async with toolbox(public, voyage=client) as box:
        neither = await box.call("search_places", location="the old town", caller=caller)

    assert missing.value == {"location": "Rome", "category": "tourism", "results": []}
    assert (unknown.failed, unknown.value["location"]) == (False, "Rome")
    assert "'the old town' is not on the map" in unknown.value["note"]
    assert neither.value == {"error": "Could not geocode location: the old town"}


async def test_a_trip_of_somebody_else_helps_nobody(public: FakePublic, trip: tuple[VoyageClient, ToolCaller]) -> None:
    public.geocoded["Rome"] = ROME
    client, caller = trip
    stranger = ToolCaller(user_id="8", session=Secret("a" * 32), collection_id=caller.collection_id)
    broken = ToolCaller(user_id="7", session=caller.session, collection_id="../../x")
    async with toolbox(public, voyage=client) as box:
        results = [await box.call("search_places", caller=each) for each in (stranger, broken)]

    assert [result.value for result in results] == [{"error": "location is required"}] * 2


async def test_the_persons_own_words_tell_the_kind_and_never_go_out(public: FakePublic) -> None:
    public.geocoded |= {"Rome": ROME}

    async def found(said: tuple[str, ...] = (), place: str | None = None, **arguments: Any) -> tuple[Any, Any]:
        caller = ToolCaller(user_id="7", said=said, place=place)
        value = (await box.call("search_places", arguments, caller=caller)).value
        return value.get("location"), value.get("category", value.get("error"))

    async with toolbox(public) as box:
        assert await found(("Anything", "Where can we have dinner?"), place="Rome") == ("Rome", "food")
        assert await found(("Anything",), place="Rome") == ("Rome", "tourism")
        assert await found(("Some tapas",), location="Rome") == ("Rome", "food")
        assert await found(("Some tapas",), location="Rome", category="lodging") == ("Rome", "lodging")
        assert await found(("Rome",)) == (None, "location is required")
    assert {seen.query["q"] for seen in public.asked("nominatim")} == {"Rome"}
