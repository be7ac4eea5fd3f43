"""What is read of a trip, and whose trip it must be."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.secret import Secret
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient
from app.voyage.trips import MAX_MEMBERS, MAX_NAME_CHARS, MAX_STOP_CHARS, MAX_STOPS, Member, Trip, fetch_trip
from tests.voyage.fake import COLLECTIONS, FakeVoyage, Trouble
from tests.voyage_client.strange_json import ANYTHING, TEXT, objects


async def fetch(client: VoyageClient, sessionid: str, trip_id: str) -> Trip | None:
    return await fetch_trip(client, Secret(sessionid), UUID(trip_id))


async def stops_of(voyage: FakeVoyage, client: VoyageClient, locations: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    trip = await fetch(client, voyage.sign_in(1), voyage.add_trip(1, locations=locations))
    assert trip is not None
    return trip.stops


async def test_the_owner_sees_the_trip_in_one_request(voyage: FakeVoyage, client: VoyageClient) -> None:
    locations = [{"name": "Torre", "city": {"name": "Lisbon"}, "country": {"name": "Portugal"}}]
    sessionid = voyage.sign_in(1, "tia")
    trip_id = voyage.add_trip(
        1, name="Lisbon\nWeek", start_date="2027-03-10", end_date="2027-03-14", locations=locations
    )

    assert await fetch(client, sessionid, trip_id) == Trip(
        id=UUID(trip_id),
        name="Lisbon Week",
        start_date="2027-03-10",
        end_date="2027-03-14",
        stops=("Lisbon, Portugal",),
        members=(Member(username="tia", is_caller=True, is_owner=True),),
    )
    (seen,) = voyage.requests
    assert (seen.method, seen.path, seen.query) == ("GET", f"{COLLECTIONS}{trip_id}/", {})
    assert seen.cookies == {"sessionid": sessionid}


@pytest.mark.parametrize("public", [False, True])
async def test_a_trip_belongs_to_its_members_only(voyage: FakeVoyage, client: VoyageClient, public: bool) -> None:  # noqa: FBT001 - a parameter of the test
    tia, sam, stranger = voyage.sign_in(1, "tia"), voyage.sign_in(2, "sam"), voyage.sign_in(3, "eve")
    trip_id = voyage.add_trip(1, shared_with=[2], public=public)

    seen = [await fetch(client, sessionid, trip_id) for sessionid in (tia, sam)]

    for trip, caller in zip(seen, ("tia", "sam"), strict=True):
        assert trip is not None
        assert trip.shared
        assert [(one.username, one.is_owner) for one in trip.members] == [("tia", True), ("sam", False)]
        assert [one.username for one in trip.members if one.is_caller] == [caller]
    assert await fetch(client, stranger, trip_id) is None
    assert await fetch(client, stranger, str(uuid4())) is None
    voyage.sign_out(tia)
    assert await fetch(client, tia, trip_id) is None


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_is_no_trip(voyage: FakeVoyage, client: VoyageClient, status: int) -> None:
    sessionid, trip_id = voyage.sign_in(1), voyage.add_trip(1)
    for trouble in (Trouble.json({"detail": "No."}, status=status), Trouble.html(status)):
        voyage.trouble = trouble

        assert await fetch(client, sessionid, trip_id) is None


@pytest.mark.parametrize(
    ("location", "label"),
    [
        ({"city": {"name": "Porto"}, "country": {"name": "Portugal"}, "location": "Rua 1, Nowhere"}, "Porto, Portugal"),
        ({"city": {"name": "Porto"}, "location": "Rua 1, Nowhere"}, "Porto"),
        ({"country": {"name": "Portugal"}}, "Portugal"),
        ({"city": {"name": "  "}, "country": {}, "location": "Rua A 1, 1100 Lisboa, Portugal"}, "Portugal"),
        ({"location": "Rua A 1, Lisboa, 1100, , "}, "Lisboa"),
        ({"location": "Rua A 1, 1100-123"}, "1100-123"),
        ({"location": "12, 34", "name": "Miradouro"}, "Miradouro"),
        ({"location": "", "name": "Bar, Baixa"}, "Baixa"),
        ({"location": "Lisboa", "name": "Miradouro"}, "Lisboa"),
        ({"name": "1900"}, "1900"),
        ({"name": "Two\n## lines"}, "Two ## lines"),
        ({"name": "n" * 300}, "n" * MAX_NAME_CHARS),
        ({"location": f"Street {'s' * 150}, {'l' * 50}"}, "l" * 50),
        ({"name": ", ,"}, None),
    ],
)
async def test_a_stop_is_named_by_its_place(
    voyage: FakeVoyage, client: VoyageClient, location: dict[str, Any], label: str | None
) -> None:
    assert await stops_of(voyage, client, [location]) == ((label,) if label else ())


async def test_stops_are_distinct_in_order_and_eight_at_most(voyage: FakeVoyage, client: VoyageClient) -> None:
    names = ["Porto", "PORTO", "Faro", "Porto", *(f"Town {number}" for number in range(10))]
    locations = [{"name": "Dom Luís", "city": {"name": "Porto"}, "country": {"name": "Portugal"}}]
    locations += [{"name": name} for name in names]

    stops = await stops_of(voyage, client, locations)

    assert stops == ("Porto, Portugal", "Porto", "Faro", *(f"Town {number}" for number in range(5)))


async def test_in_a_crowd_the_caller_is_not_left_out(voyage: FakeVoyage, client: VoyageClient) -> None:
    trip_id = voyage.add_trip(1, shared_with=range(2, 40))

    trip = await fetch(client, voyage.sign_in(39), trip_id)

    assert trip is not None
    assert [one.username for one in trip.members] == [*(f"user{number}" for number in range(1, MAX_MEMBERS)), "user39"]
    assert trip.members[-1].is_caller


@pytest.mark.parametrize(
    ("fields", "shared"),
    [
        ({}, False),
        ({"collaborators": [{"is_current_user": True}], "shared_with": [2]}, True),
        ({"collaborators": [{"is_current_user": True}, {"username": "sam"}]}, True),
        ({"collaborators": [{"is_current_user": True}]}, False),
    ],
)
async def test_a_trip_is_shared_when_voyage_names_somebody_else(
    voyage: FakeVoyage,
    client: VoyageClient,
    fields: dict[str, Any],
    shared: bool,  # noqa: FBT001 - see above
) -> None:
    trip = await fetch(client, voyage.sign_in(1), voyage.add_trip(1, **fields))

    assert trip is not None
    assert trip.shared is shared


@pytest.mark.parametrize("word", ["true", 1, "yes", None])
async def test_only_true_makes_a_member(voyage: FakeVoyage, client: VoyageClient, word: object) -> None:
    trip_id = voyage.add_trip(1, collaborators=[{"username": "tia", "is_current_user": word}])

    assert await fetch(client, voyage.sign_in(1), trip_id) is None


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Trouble.status(500), "status_500"),
        (Trouble.throttled(60), "throttled"),
        (Trouble.redirect(), "redirected"),
        (Trouble.html(), "not_json"),
        (Trouble.garbage(), "not_json"),
        (Trouble.huge(), "too_large"),
        (Trouble.cut(), "closed"),
        (Trouble.reset(), "closed"),
        (Trouble.json({"error": "User is not authenticated"}, status=400), "unexpected_answer"),
        (Trouble.json([]), "unexpected_answer"),
        (Trouble.json(None), "unexpected_answer"),
        (Trouble.json({}, status=206), "unexpected_answer"),
    ],
)
async def test_every_trouble_is_voyages_absence(
    voyage: FakeVoyage, client: VoyageClient, trouble: Trouble, reason: str
) -> None:
    sessionid, trip_id = voyage.sign_in(1), voyage.add_trip(1)
    voyage.trouble = trouble

    with pytest.raises(VoyageAway) as away:
        await fetch(client, sessionid, trip_id)

    assert away.value.reason == reason


@pytest.mark.parametrize("trouble", [Trouble.hang(), Trouble.drip()])
async def test_a_trip_that_does_not_come_is_given_up(voyage: FakeVoyage, trouble: Trouble) -> None:
    sessionid, trip_id = voyage.sign_in(1), voyage.add_trip(1)
    voyage.trouble = trouble

    async with VoyageClient(voyage.base_url, seconds=0.05) as hasty:
        with pytest.raises(VoyageAway, match="timeout"):
            await fetch_trip(hasty, Secret(sessionid), UUID(trip_id))


PLACE = objects(name=TEXT, location=TEXT, city=objects(name=TEXT), country=objects(name=TEXT))
PERSON = objects(username=TEXT, is_current_user=st.booleans(), is_owner=st.booleans())
COLLECTION = objects(
    name=TEXT,
    start_date=TEXT,
    end_date=TEXT,
    shared_with=st.lists(TEXT, max_size=3),
    collaborators=st.lists(PERSON, max_size=30),
    locations=st.lists(PLACE, max_size=12),
)


@settings(max_examples=25)
@given(st.lists(st.one_of(COLLECTION, ANYTHING), max_size=8))
def test_whatever_voyage_says_a_trip_is_bounded_and_of_single_lines(bodies: list[Any]) -> None:
    async def check() -> None:
        async with FakeVoyage() as voyage, VoyageClient(voyage.base_url) as client:
            for body in bodies:
                voyage.trouble = Trouble.json(body)
                try:
                    trip = await fetch(client, "s" * 32, str(UUID(int=7)))
                except VoyageAway:
                    continue
                if trip is not None:
                    _assert_sane(trip)

    asyncio.run(check())


def _assert_sane(trip: Trip) -> None:
    texts = [trip.name, trip.start_date, trip.end_date, *(one.username for one in trip.members)]
    assert all(text is None or (len(text) <= MAX_NAME_CHARS and text.splitlines() == [text]) for text in texts)
    assert all(len(stop) <= MAX_STOP_CHARS and stop.splitlines() == [stop] for stop in trip.stops)
    assert len(trip.stops) <= MAX_STOPS
    assert len(trip.members) <= MAX_MEMBERS
    assert trip.id == UUID(int=7)
