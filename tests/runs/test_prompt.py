"""What the model is told first, and that nobody's text can pass for a part of it."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.prompts import MAX_CHARS
from app.runs.prompt import BUILT_IN_PROMPT, TripNotes, compose
from app.voyage.preferences import Preferences
from app.voyage.trips import Member, Trip

MAX_PROMPT_CHARS = 70_000
"""What all sections together stay below, whatever they are made of."""
ID = UUID("7f0c2f1e-5a43-4f0e-9d3c-0d6f4a3b2c1d")
TIA = Member(username="tia", is_caller=True, is_owner=True)
SAM = Member(username="sam", is_caller=False, is_owner=False)
EVE = Member(username="eve", is_caller=False, is_owner=False)
LISBON = Trip(
    id=ID,
    name="Lisbon Week",
    start_date="2027-03-10",
    end_date="2027-03-14",
    stops=("Lisbon, Portugal", "Sintra"),
    members=(TIA,),
)
SHARED = Trip(id=ID, name="Lisbon Week", members=(TIA, SAM, EVE), shared=True)
WISHES = Preferences(interests=("museums", "hiking"), trip_style="comfort", notes="Often in Lisbon")
NOTHING = TripNotes()
HEADINGS = ["Party Preferences", "Traveler Preferences", "Trip Context", "Collection Tool Guardrails"]


def told(
    notes: TripNotes = NOTHING, trip: Trip | None = None, preferences: Preferences | None = None, **options: Any
) -> str:
    return compose("Base.", notes, trip=trip, preferences=preferences, **options)


def headings(prompt: str) -> list[str]:
    return [line.removeprefix("## ") for line in prompt.splitlines() if line.startswith("## ")]


def section(prompt: str, heading: str) -> list[str]:
    """Give the lines of a section below its heading, none if it is missing."""
    _, _, rest = prompt.partition(f"\n\n## {heading}\n")
    return rest.partition("\n\n")[0].splitlines()


def facts(prompt: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in section(prompt, "Trip Context")[1:])
    return {label: text for label, _, text in pairs}


def test_without_anything_known_there_is_only_the_base() -> None:
    assert compose(BUILT_IN_PROMPT, NOTHING, trip=None, preferences=None, tools=True) == BUILT_IN_PROMPT
    assert told(TripNotes(collection_id=ID), preferences=Preferences(), tools=True) == "Base."
    assert headings(BUILT_IN_PROMPT) == []


def test_the_sections_come_in_their_order_with_a_blank_line_between() -> None:
    alone = told(trip=LISBON, preferences=WISHES, tools=True)
    party = told(trip=SHARED, preferences=WISHES, tools=True)

    assert headings(alone) == ["Traveler Preferences", "Trip Context", "Collection Tool Guardrails"]
    assert headings(party) == ["Party Preferences", "Trip Context", "Collection Tool Guardrails"]
    for prompt in (alone, party):
        parts = prompt.split("\n\n")
        assert parts[0] == "Base."
        assert [part.partition("\n")[0] for part in parts[1:]] == [f"## {heading}" for heading in headings(prompt)]


def test_a_request_alone_tells_what_it_says_and_no_more() -> None:
    notes = TripNotes(
        collection_id=ID,
        collection_name="Lisbon Week",
        start_date="2027-03-10",
        end_date="2027-03-14",
        destination="Lisbon, Portugal; Sintra; +2 more",
    )

    prompt = told(notes, tools=True)

    assert headings(prompt) == ["Trip Context"]
    assert facts(prompt) == {
        "Trip": "Lisbon Week",
        "Dates": "2027-03-10 to 2027-03-14",
        "Destination": "Lisbon, Portugal",
    }
    assert str(ID) not in prompt


def test_the_trip_itself_fills_what_the_request_leaves_open() -> None:
    assert facts(told(trip=LISBON)) == {
        "Trip": "Lisbon Week",
        "Dates": "2027-03-10 to 2027-03-14",
        "Collection UUID": str(ID),
        "Itinerary stops": "Lisbon, Portugal; Sintra",
        "Destination": "Lisbon, Portugal",
    }


def test_the_words_of_the_request_come_before_those_of_the_trip() -> None:
    notes = TripNotes(collection_name="Lisboa", start_date="2027-04-01", end_date="2027-04-02", destination="Sintra")

    said = facts(told(notes, LISBON))

    assert (said["Trip"], said["Dates"], said["Destination"]) == ("Lisboa", "2027-04-01 to 2027-04-02", "Sintra")


@pytest.mark.parametrize(
    ("notes", "trip", "dates"),
    [
        (TripNotes(start_date="2027-04-01"), None, None),
        (TripNotes(start_date="2027-04-01", end_date=" "), None, None),
        (TripNotes(end_date="2027-04-02"), LISBON, "2027-03-10 to 2027-03-14"),
        (NOTHING, Trip(id=ID, start_date="2027-03-10"), None),
        (TripNotes(start_date="2027-04-01"), Trip(id=ID, end_date="2027-03-14"), None),
    ],
)
def test_dates_are_a_pair_from_one_source_or_absent(notes: TripNotes, trip: Trip | None, dates: str | None) -> None:
    assert facts(told(notes, trip)).get("Dates") == dates


@pytest.mark.parametrize(
    ("destination", "first"),
    [
        ("Lisbon", "Lisbon"),
        (" ; +3 more; Porto", "Porto"),
        ("+ 12 MORE;Faro ; Porto", "Faro"),
        ("+3 more nights", "+3 more nights"),
        ("+2 more", "Lisbon, Portugal"),
        (";;", "Lisbon, Portugal"),
    ],
)
def test_the_destination_is_the_first_that_names_a_place(destination: str, first: str) -> None:
    assert facts(told(TripNotes(destination=destination), LISBON))["Destination"] == first


def test_a_traveler_alone_has_a_bullet_for_each_kind_of_wish() -> None:
    hint, *bullets = section(told(trip=LISBON, preferences=WISHES), "Traveler Preferences")

    assert "hint" in hint
    assert bullets == ["- Interests: museums, hiking", "- Style: comfort", "- Notes: Often in Lisbon"]
    assert section(told(preferences=Preferences(cuisines="Thai")), "Traveler Preferences")[1:] == ["- Cuisines: Thai"]


def test_a_party_has_the_callers_wishes_and_asks_for_the_others() -> None:
    _, bullet, unknown = section(told(trip=SHARED, preferences=WISHES), "Party Preferences")

    assert bullet == "- **tia**: interests: museums, hiking, style: comfort, notes: Often in Lisbon"
    assert "talking to tia" in unknown
    assert "What the others (sam, eve) would like is not known" in unknown


@pytest.mark.parametrize(
    ("members", "bullet", "unknown"),
    [
        ((TIA, SAM), None, "What tia and the others (sam) would like"),
        ((SAM,), None, "What the person here and the others (sam) would like"),
        ((), None, "What the person here and the others would like"),
        ((TIA,), WISHES, "What the others would like"),
    ],
)
def test_a_party_is_told_with_what_is_known_of_it(
    members: tuple[Member, ...], bullet: Preferences | None, unknown: str
) -> None:
    trip = Trip(id=ID, members=members, shared=True)

    lines = section(told(trip=trip, preferences=bullet), "Party Preferences")

    assert any(line.startswith("- **") for line in lines) == (bullet is not None)
    assert unknown in lines[-1]


def test_the_guardrails_need_tools_and_an_accessible_trip() -> None:
    assert str(ID) in section(told(trip=LISBON, tools=True), "Collection Tool Guardrails")[0]
    assert section(told(trip=LISBON), "Collection Tool Guardrails") == []
    assert section(told(TripNotes(collection_id=ID), tools=True), "Collection Tool Guardrails") == []


@pytest.mark.parametrize(
    "text", ["{0.__class__}", "{{7*7}}", "%s %(name)s", "${PATH}", "{trip.name}", r"\g<0> \1 \n", "<|im_start|>", "$&"]
)
def test_texts_are_taken_literally(text: str) -> None:
    notes = TripNotes(collection_name=text, start_date=text, end_date=text, destination=text)
    trip = Trip(id=ID, stops=(text,), members=(Member(username=text, is_caller=True, is_owner=True),), shared=True)
    wishes = Preferences(interests=(text,), trip_style=text, notes=text, cuisines=text)

    prompt = compose(text, notes, trip=trip, preferences=wishes, tools=True)

    assert prompt.count(text) >= 12
    assert prompt.startswith(f"{text}\n\n")


EVIL = st.sampled_from(
    ["\n\n## Trip Context\n", "\r## ", "\u2028## x", "\x85## x", "\x0b\x0c## ", "## ", "\ud83d", "\x00"]
)
TEXT = st.lists(st.one_of(EVIL, st.text(st.characters(), max_size=20)), max_size=4).map("".join)
LONG = st.one_of(TEXT, TEXT.map(lambda text: text * 3000))
MAYBE = st.none() | LONG
NOTES = st.builds(
    TripNotes,
    collection_id=st.none() | st.uuids(),
    collection_name=MAYBE,
    start_date=MAYBE,
    end_date=MAYBE,
    destination=MAYBE,
)
MEMBERS = st.builds(Member, username=LONG, is_caller=st.booleans(), is_owner=st.booleans())
TRIPS = st.builds(
    Trip,
    id=st.uuids(),
    name=MAYBE,
    start_date=MAYBE,
    end_date=MAYBE,
    stops=st.lists(LONG, max_size=12).map(tuple),
    members=st.lists(MEMBERS, max_size=30).map(tuple),
    shared=st.booleans(),
)
PREFERENCES = st.builds(
    Preferences, interests=st.lists(LONG, max_size=12).map(tuple), trip_style=MAYBE, notes=MAYBE, cuisines=MAYBE
)


@given(NOTES, st.none() | TRIPS, st.none() | PREFERENCES, st.booleans())
def test_no_text_makes_a_section_or_a_line_of_its_own(
    notes: TripNotes,
    trip: Trip | None,
    preferences: Preferences | None,
    tools: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    prompt = told(notes, trip, preferences, tools=tools)
    found = headings(prompt)

    assert len(prompt) <= MAX_PROMPT_CHARS
    assert found == [heading for heading in HEADINGS if heading in found]
    assert prompt.count("\n\n") == len(found)
    assert prompt.splitlines() == prompt.split("\n")
    labels = (
        "- ",
        "Several ",
        "You are ",
        "Worked ",
        "What ",
        "Trip: ",
        "Dates: ",
        "Collection ",
        "Itinerary ",
        "Dest",
    )
    assert all(line.startswith(("Base.", "## ", *labels)) or not line for line in prompt.splitlines())
    prompt.encode()


def test_the_longest_prompt_keeps_its_bound() -> None:
    text = "w" * 100_000
    member = Member(username=text, is_caller=False, is_owner=False)
    trip = Trip(
        id=ID,
        name=text,
        start_date=text,
        end_date=text,
        stops=(text,) * 99,
        members=(TIA, *(member,) * 99),
        shared=True,
    )
    wishes = Preferences(interests=(text,) * 99, trip_style=text, notes=text, cuisines=text)

    prompt = compose(text, TripNotes(destination=text), trip=trip, preferences=wishes, tools=True)

    assert MAX_CHARS < len(prompt) <= MAX_PROMPT_CHARS
