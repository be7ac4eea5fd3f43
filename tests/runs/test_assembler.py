import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.events import FinishReason, Usage
from app.providers.model import Delta, Finish, ReasoningTextDelta, TextDelta, ToolCallPiece, UsageReport
from app.runs.assembler import Draft, is_broken_json, is_json

HALVES = st.text(st.sampled_from('ab {}"\x00\ud83d\ude00é'), max_size=5)
DELTAS = st.lists(
    st.one_of(
        st.builds(TextDelta, HALVES),
        st.builds(ReasoningTextDelta, HALVES),
        st.builds(ToolCallPiece, st.integers(0, 2), st.none() | HALVES, st.none() | HALVES, HALVES),
        st.builds(UsageReport, st.builds(Usage, input=st.integers(0, 9), output=st.integers(0, 9))),
    )
)


def fold(*deltas: Delta) -> tuple[Draft, list[Delta]]:
    draft = Draft()
    shown = [delta for delta in map(draft.add, deltas) if delta is not None]
    return draft, [*shown, *draft.end()]


def test_text_and_reasoning_are_kept_apart() -> None:
    draft, shown = fold(TextDelta("Hel"), ReasoningTextDelta("hm"), TextDelta("lo"), Finish(FinishReason.STOP))

    assert (draft.message_content, draft.reasoning, draft.finish) == ("Hello", "hm", FinishReason.STOP)
    assert shown == [TextDelta("Hel"), ReasoningTextDelta("hm"), TextDelta("lo")]


def test_parallel_tool_calls_are_put_together_by_index() -> None:
    draft, _ = fold(
        ToolCallPiece(1, "b", "places", ""),
        ToolCallPiece(0, "a", "weather", '{"city"'),
        ToolCallPiece(1, None, None, "{}"),
        ToolCallPiece(0, None, None, ':"Rome"}'),
    )

    assert draft.tool_calls_json() == [
        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
        {"id": "b", "type": "function", "function": {"name": "places", "arguments": "{}"}},
    ]
    assert draft.tool_calls_whole


def test_a_repeated_id_or_name_is_taken_once() -> None:
    draft, _ = fold(ToolCallPiece(0, "a", "weather", "{"), ToolCallPiece(0, "a", "weather", "}"))

    assert draft.tool_calls_json() == [
        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    ]


def test_the_last_usage_stands() -> None:
    draft, shown = fold(UsageReport(Usage(input=1, output=1)), UsageReport(Usage(input=3, output=9, cached=2)))

    assert draft.usage == Usage(input=3, output=9, cached=2)
    assert shown == []


def test_no_tool_calls_are_none() -> None:
    assert fold(TextDelta("a"))[0].tool_calls_json() is None


@pytest.mark.parametrize(("arguments", "whole"), [("", True), ("{}", True), ('{"a":', False), ("{}}", False)])
def test_cut_arguments_are_seen(arguments: str, *, whole: bool) -> None:
    assert fold(ToolCallPiece(0, "a", "weather", arguments))[0].tool_calls_whole is whole
    assert is_json(arguments) is whole


@pytest.mark.parametrize("arguments", ["{a:1}", "{'a':1", "{}}", '{"a":tx', '{"a":1}{"a":1}', "Bern", '{"a":"\n"}'])
def test_wrong_arguments_are_told_from_cut_ones(arguments: str) -> None:
    assert fold(ToolCallPiece(0, "a", "weather", arguments))[0].tool_calls_broken


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(value=st.dictionaries(st.text(), VALUES, max_size=4), data=st.data())
def test_a_beginning_of_json_is_cut_and_not_wrong(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 2])))

    assert not is_broken_json(text[: data.draw(st.integers(0, len(text)))])


def test_a_call_without_a_name_is_not_whole() -> None:
    assert not fold(ToolCallPiece(0, "a", None, "{}"))[0].tool_calls_whole


def test_half_a_character_waits_for_the_other_half() -> None:
    draft, shown = fold(TextDelta("\ud83d"), ReasoningTextDelta("x"), TextDelta("\ude00"))

    assert shown == [ReasoningTextDelta("x"), TextDelta("😀")]
    assert draft.message_content == "😀"


def test_half_a_character_at_the_end_is_shown_as_missing() -> None:
    draft, shown = fold(TextDelta("a\ud83d"), ToolCallPiece(0, "a", "w", '"\ud83d'))

    assert shown == [TextDelta("a"), ToolCallPiece(0, "a", "w", '"'), TextDelta("�"), ToolCallPiece(0, None, None, "�")]
    assert draft.message_content == "a�"


def test_a_character_that_no_database_takes_is_replaced() -> None:
    assert fold(TextDelta("a\x00b"))[0].message_content == "a\ufffdb"


@given(DELTAS)
def test_what_is_shown_adds_up_to_what_is_stored(deltas: list[Delta]) -> None:
    draft, shown = fold(*deltas)

    again, reshown = fold(*shown)

    assert reshown == shown
    assert (again.message_content, again.reasoning) == (draft.message_content, draft.reasoning)
    assert again.tool_calls_json() == draft.tool_calls_json()
    (draft.message_content + draft.reasoning + str(draft.tool_calls_json())).encode()
