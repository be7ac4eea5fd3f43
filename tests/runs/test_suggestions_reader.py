"""Places out of whatever a model wrote: valid ones, an empty list that was meant, or nothing at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runs.suggestions_prompt import MAX_SUGGESTIONS
from app.runs.suggestions_reader import MAX_NAME_CHARS, MAX_TEXT_CHARS, Suggestion, read_suggestions

PLACE = {"name": "Cervejaria Ramiro", "location": "Avenida Almirante Reis 1, Lisbon"}
FOUND = (Suggestion(name=PLACE["name"], location=PLACE["location"]),)
WHOLE = json.dumps({"suggestions": [PLACE]})


@pytest.mark.parametrize(
    "call",
    [
        WHOLE,
        json.dumps([PLACE]),
        json.dumps(PLACE),
        json.dumps({"suggestions": PLACE}),
        json.dumps({"suggestions": json.dumps([PLACE])}),
        json.dumps({"suggestions": [None, 7, "x", {}, {"name": "No place"}, {"location": "No name"}, PLACE]}),
        json.dumps({"suggestions": [{"title": PLACE["name"], "address": PLACE["location"]}]}),
        json.dumps([PLACE | {"description": " ", "why_fits": None, "category": [], "price": {}}]),
    ],
)
def test_the_forms_of_a_call(call: str) -> None:
    assert read_suggestions([call], "") == FOUND


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"\n {json.dumps([PLACE], indent=2)}\n",
        f"Sure:\n```json\n{WHOLE}\n```\nEnjoy!",
        f"```{WHOLE}```",
        f"```\n{json.dumps([PLACE])}",
        f'Like ```json\n{{"suggestions": [{{"name": "..."}}]}}\n``` so:\n```json\n{WHOLE}\n```',
        f"<think>Something near the river.</think>{WHOLE}",
        f"Here they are: {json.dumps([PLACE, {}])} (two)",
    ],
)
def test_the_forms_of_a_text(text: str) -> None:
    assert read_suggestions([], text) == FOUND
    assert read_suggestions(["{broken"], text) == FOUND, "a call without anything does not hide the text"


@pytest.mark.parametrize("said", ['{"suggestions": []}', "[]", '{"suggestions": "[]"}'])
def test_an_empty_list_of_the_models_own_stays_one(said: str) -> None:
    assert read_suggestions([said], "") == ()
    assert read_suggestions([], said) == ()
    assert read_suggestions([], f"None fits.\n```json\n{said}\n```") == ()


@pytest.mark.parametrize(
    "said",
    [
        "",
        "I cannot help with that.",
        "null",
        "7",
        '{"suggestions": null}',
        '{"suggestions": "none"}',
        '{"places": []}',
        "I found [] nothing",
        '{"suggestions": [{"name": "No location"}]}',
        WHOLE[:-3],
        "[" * 5000,
        "```" * 1000,
        '{"suggestions": [{"name": "\\ud800", "location": "x"}]}',
    ],
)
def test_nothing_usable_is_told_from_an_empty_list(said: str) -> None:
    assert read_suggestions([said], "") is None
    assert read_suggestions([], said) is None
    assert read_suggestions([], "") is None


def test_several_calls_are_one_list() -> None:
    places = [{"name": f"Place {number}", "location": "Lisbon"} for number in range(7)]
    calls = [json.dumps({"suggestions": [place]}) for place in places]

    found = read_suggestions(["", *calls], "")

    assert found is not None
    assert [place.name for place in found] == [f"Place {number}" for number in range(MAX_SUGGESTIONS)]


def test_what_nobody_sees_is_not_shown() -> None:
    hidden = json.dumps([{"name": "A\u202e\x00B", "location": "L\n\u2066"}])
    assert read_suggestions([hidden], "") == (Suggestion(name="A B", location="L"),)


def test_texts_are_flat_and_bounded_and_numbers_are_texts() -> None:
    long = "ab " * 5000
    item = {"name": long, "location": f"Rua\n{long}", "description": long, "whyFits": " a\tb\n", "price": 2}

    places = read_suggestions([json.dumps([item])], "")

    assert places is not None
    place = places[0]
    assert (len(place.name), len(place.location)) == (MAX_NAME_CHARS - 1, MAX_NAME_CHARS)
    assert place.description is not None
    assert len(place.description) == MAX_TEXT_CHARS
    assert (place.why_fits, place.price_level, place.category) == ("a b", "2", None)


KEYS = st.sampled_from(["suggestions", "name", "title", "location", "address", "description", "price", "other"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just(WHOLE)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=7) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
PIECES = st.sampled_from(["```", "```json\n", "{", "}", "[", "]", "\n", '"', WHOLE, "[]", json.dumps(PLACE), " and "])
TEXTS = st.text(max_size=60) | st.lists(PIECES, max_size=12).map("".join) | VALUES.map(json.dumps)


def check(found: tuple[Suggestion, ...] | None) -> None:
    for place in found or ():
        values: dict[str, Any] = {name: getattr(place, name) for name in Suggestion.__slots__}
        assert values["name"]
        assert values["location"]
        assert all(value is None or value == " ".join(value.split()) for value in values.values())
        assert all(len(value or "") <= MAX_TEXT_CHARS for value in values.values())
        json.dumps(values).encode()
    assert len(found or ()) <= MAX_SUGGESTIONS


@given(calls=st.lists(TEXTS, max_size=3), text=TEXTS)
def test_anything_gives_valid_places_or_none(calls: list[str], text: str) -> None:
    check(read_suggestions(calls, text))


@given(text=TEXTS)
def test_an_empty_answer_was_said_so(text: str) -> None:
    found = read_suggestions([], text)
    check(found)
    assert found != () or "[]" in "".join(text.split())
