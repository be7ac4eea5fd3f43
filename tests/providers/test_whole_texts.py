"""Text that a provider tells whole, beside its pieces or in their place, is said once."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import NOWHERE
from app.providers.model import Delta, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.providers.pieces import Pieces
from app.providers.wires import openai_responses

Event = dict[str, Any]


def said(*events: Event) -> list[Delta]:
    pieces = Pieces(None, NOWHERE)
    for event in events:
        openai_responses.say(event, pieces)
    pieces.end()
    return list(pieces.ready)


def text_of(*events: Event) -> str:
    return "".join(delta.text for delta in said(*events) if isinstance(delta, TextDelta))


def delta(text: str, item: int = 0, content: int = 0) -> Event:
    return {"type": "response.output_text.delta", "output_index": item, "content_index": content, "delta": text}


def text_done(text: str, item: int = 0, content: int = 0) -> Event:
    return {"type": "response.output_text.done", "output_index": item, "content_index": content, "text": text}


def part_done(text: str, kind: str = "output_text") -> Event:
    part = {"type": kind, "text": text}
    return {"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": part}


def message(*texts: str) -> Event:
    return {"type": "message", "content": [{"type": "output_text", "text": text} for text in texts]}


def item_done(*texts: str, item: int = 0) -> Event:
    return {"type": "response.output_item.done", "output_index": item, "item": message(*texts)}


def completed(*output: Event) -> Event:
    return {"type": "response.completed", "response": {"status": "completed", "output": list(output)}}


REFUSAL = {"type": "message", "content": [{"type": "refusal", "refusal": "Hello"}]}


@pytest.mark.parametrize(
    "events",
    [
        [text_done("Hello")],
        [part_done("Hello")],
        [item_done("Hello")],
        [item_done("Hel", "lo")],
        [completed(message("Hello"))],
        [completed(REFUSAL)],
        [{"type": "response.refusal.done", "refusal": "Hello"}],
        [completed({"type": "reasoning", "summary": []}, message("Hello"))],
        [text_done("Hello"), part_done("Hello"), item_done("Hello"), completed(message("Hello"))],
        [delta("Hello"), text_done("Hello"), part_done("Hello"), item_done("Hello"), completed(message("Hello"))],
        [delta("Hel"), text_done("Hello"), completed(message("Hello"))],
        [delta("Hel"), delta("lo", content=1), completed(message("Hel", "lo"))],
        [delta("Hel"), text_done("lo", content=1), completed(message("Hel", "lo"))],
        [delta("Hello"), completed()],
    ],
    ids=[
        *("text", "part", "item", "two parts", "response", "refusal in the response", "refusal", "after reasoning"),
        *("four times", "and in pieces", "cut pieces", "parts in pieces", "one part in pieces", "nothing whole"),
    ],
)
def test_text_is_said_once_wherever_it_is_told(events: list[Event]) -> None:
    assert text_of(*events) == "Hello"


def test_the_same_text_in_two_parts_is_said_twice() -> None:
    assert text_of(delta("No. "), text_done("No. "), text_done("No. ", item=1), completed()) == "No. No. "
    assert text_of(completed(message("No. ", "No. "))) == "No. No. "


@pytest.mark.parametrize("events", [[delta("Hello")], [delta("Hel"), delta("lo"), text_done("Hello")]])
def test_a_server_that_counts_places_differently_while_it_streams_says_nothing_twice(events: list[Event]) -> None:
    places = [{key: value for key, value in event.items() if key != "output_index"} for event in events]
    unchecked = [event for event in places if event["type"] != "response.output_text.done"]

    assert text_of(*unchecked, completed({"type": "reasoning"}, message("Hello"))) == "Hello"


def test_a_whole_text_that_differs_from_its_pieces_adds_nothing() -> None:
    assert text_of(delta("Hello"), text_done("Goodbye"), completed(message("Goodbye, all"))) == "Hello"


def test_a_surrogate_pair_cut_in_two_is_not_said_again() -> None:
    halves = [delta("\ud83e"), delta("\udded"), delta(" o")]

    assert text_of(*halves, text_done("\U0001f9ed ok")) == "\ud83e\udded ok"


def test_reasoning_in_a_part_is_no_text() -> None:
    thought = {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "Hm."}

    assert said(thought, part_done("Hm.", "reasoning_text")) == [ReasoningTextDelta("Hm.")]


def test_a_call_in_the_final_response_alone_is_a_call() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    done = {"type": "response.output_item.done", "output_index": 3, "item": call}

    assert said(completed(call)) == [ToolCallPiece(0, "a", "f", "{}")]
    assert said(done, completed(call)) == [ToolCallPiece(0, "a", "f", "{}")]


@settings(max_examples=150)
@given(
    parts=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4, unique=True),
    data=st.data(),
)
def test_any_mixture_of_pieces_and_wholes_says_each_part_once(parts: list[str], data: st.DataObject) -> None:
    events: list[Event] = []
    for place, text in enumerate(parts):
        upto = data.draw(st.integers(0, len(text)))
        events += [delta(piece, content=place) for piece in text[:upto]]
        if upto < len(text) or data.draw(st.booleans()):
            events.append(text_done(text, content=place))
        if data.draw(st.booleans()):
            events.append(item_done(*parts[: place + 1]))
    events.append(completed(message(*parts)))

    assert text_of(*events) == "".join(parts)
