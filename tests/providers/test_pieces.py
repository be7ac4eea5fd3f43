"""An answer's pieces become deltas: joined, numbered, without the key, whatever the provider sends."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import NOWHERE, InvalidProviderResponse
from app.providers.model import Delta, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.providers.pieces import MAX_CALLS, Pieces
from app.providers.wires import anthropic_messages, gemini, openai_chat, openai_responses
from app.providers.wires.reading import OddPieceError
from app.secret import Secret

KEY = "Plant/ed+9f8e"
Say = Callable[[Mapping[str, Any], Pieces], None]
SAYS: tuple[Say, ...] = (openai_chat.say, openai_responses.say, anthropic_messages.say, gemini.say)


def pieces() -> Pieces:
    return Pieces(Secret(KEY), NOWHERE)


def said(say: Say, *events: Mapping[str, Any]) -> list[Delta]:
    taken = pieces()
    for event in events:
        try:
            say(event, taken)
        except OddPieceError:
            break
    taken.end()
    return list(taken.ready)


def test_text_that_lies_together_is_one_delta_and_kinds_keep_their_order() -> None:
    taken = pieces()
    taken.reasoning("So ")
    taken.reasoning("so.")
    taken.text("Yes")
    taken.text(", sir")
    taken.flush()
    taken.text("!")
    taken.flush()

    assert list(taken.ready) == [ReasoningTextDelta("So so."), TextDelta("Yes, sir"), TextDelta("!")]


def test_the_key_is_taken_out_of_text_reasoning_and_arguments() -> None:
    taken = pieces()
    for piece in (KEY[:4], KEY[4:], " and ", KEY[:3]):
        taken.text(piece)
        taken.flush()
    taken.reasoning(f"<{KEY}>")
    taken.call(0, "a", "f", f'{{"k":"{KEY[:5]}')
    taken.call(0, None, None, f'{KEY[5:]}"}}')
    taken.end()

    shown = "".join(
        delta.arguments if isinstance(delta, ToolCallPiece) else delta.text
        for delta in taken.ready
        if isinstance(delta, TextDelta | ReasoningTextDelta | ToolCallPiece)
    )
    assert KEY not in shown
    assert "".join(delta.text for delta in taken.ready if isinstance(delta, TextDelta)) == f"[…] and {KEY[:3]}"


def test_another_id_under_the_same_number_is_another_call() -> None:
    taken = pieces()
    taken.call(0, "a", "f", "{}")
    taken.call(0, "a", "f", "")
    taken.call(0, "b", "g", "{")
    taken.call(0, "", None, "}")

    assert list(taken.ready) == [
        ToolCallPiece(0, "a", "f", "{}"),
        ToolCallPiece(1, "b", "g", "{"),
        ToolCallPiece(1, None, None, "}"),
    ]


def test_a_call_too_many_is_refused() -> None:
    taken = pieces()
    for number in range(MAX_CALLS):
        taken.call(number, None, "f", "")

    with pytest.raises(InvalidProviderResponse):
        taken.call(MAX_CALLS, None, "f", "")


def test_a_call_that_is_told_at_its_end_only_is_told() -> None:
    added = {"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "call_id": "a"}}
    item = {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'}
    done = {"type": "response.output_item.done", "output_index": 1, "item": item}
    piece = {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"x":1}'}

    assert said(openai_responses.say, done) == [ToolCallPiece(0, "a", "f", '{"x":1}')]
    assert said(openai_responses.say, added, done)[-1] == ToolCallPiece(0, None, "f", '{"x":1}')
    assert said(openai_responses.say, added, piece, done) == [
        ToolCallPiece(0, "a", None, ""),
        ToolCallPiece(0, None, None, '{"x":1}'),
        ToolCallPiece(0, None, "f", ""),
    ]


def test_the_input_of_a_tool_that_the_provider_runs_is_no_call() -> None:
    block: dict[str, Any] = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    start = {"type": "content_block_start", "index": 1, "content_block": block}
    delta = {"type": "input_json_delta", "partial_json": '{"query":"x"}'}
    piece = {"type": "content_block_delta", "index": 1, "delta": delta}

    assert said(anthropic_messages.say, start, piece) == []


def test_content_in_parts_is_text_and_reasoning() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Yes"},
        {"type": "image_url"},
    ]
    event = {"choices": [{"delta": {"content": content}}]}

    assert said(openai_chat.say, event) == [ReasoningTextDelta("Hm."), TextDelta("Yes")]


def test_reasoning_has_two_names_and_is_said_once() -> None:
    event = {"choices": [{"delta": {"reasoning": "So", "reasoning_content": "So", "content": ""}}]}

    assert said(openai_chat.say, event) == [ReasoningTextDelta("So")]


def test_calls_without_a_number_are_told_apart() -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}, {"id": "b", "function": {"name": "g"}}]
    event = {"choices": [{"delta": {"tool_calls": calls}}]}

    assert said(openai_chat.say, event) == [ToolCallPiece(0, "a", "f", '{"x":1}'), ToolCallPiece(1, "b", "g", "")]


def test_a_thought_signature_becomes_part_of_the_calls_id() -> None:
    parts: list[dict[str, Any]] = [
        {"functionCall": {"id": "fc_1", "name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f"}},
    ]
    first, second = said(gemini.say, {"candidates": [{"content": {"parts": parts}}]})

    assert first == ToolCallPiece(0, "fc_1__thought__c2ln", "f", '{"x":1}')
    assert isinstance(second, ToolCallPiece)
    assert (second.index, second.name, second.arguments) == (1, "f", "{}")
    assert second.id
    assert second.id.startswith("call_")


WORDS = st.sampled_from(
    [
        *("choices", "delta", "content", "reasoning", "tool_calls", "index", "id", "function", "name", "arguments"),
        *("type", "text", "thinking", "item", "call_id", "output_index", "content_block", "input", "partial_json"),
        *("candidates", "parts", "functionCall", "args", "thought", "thoughtSignature", "function_call", "tool_use"),
        *("content_block_delta", "content_block_start", "response.output_item.added", "response.output_item.done"),
        *("response.output_text.delta", "response.function_call_arguments.delta", "\ud83d"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=15,
)


@settings(max_examples=150)
@given(events=st.lists(st.dictionaries(WORDS, JSON, max_size=6), max_size=4))
def test_odd_events_say_nothing_wrong(events: list[dict[str, Any]]) -> None:
    for say in SAYS:
        for delta in said(say, *events):
            match delta:
                case TextDelta(text) | ReasoningTextDelta(text):
                    assert text
                case ToolCallPiece(index, id_, name, arguments):
                    assert index >= 0
                    assert id_ or name or arguments
                case _:
                    pytest.fail("only the reader says how an answer ends")


CALL = {"index": 0, "id": "call_1", "function": {"name": "get_weather", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("beside", "meant"),
    [
        ({"reasoning_content": "Hm."}, ReasoningTextDelta("Hm.")),
        ({"reasoning": "Hm."}, ReasoningTextDelta("Hm.")),
        ({"tool_calls": [CALL]}, ToolCallPiece(0, "call_1", "get_weather", "{}")),
    ],
)
def test_what_stands_beside_a_text_is_said_too(beside: dict[str, Any], meant: Delta) -> None:
    event = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Yes"} | beside}]}

    assert {TextDelta("Yes"), meant} == {*said(openai_chat.say, event)}


def test_a_refusal_beside_a_text_is_said_too() -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "Yes, ", "refusal": "but no."}}]}

    assert said(openai_chat.say, event) == [TextDelta("Yes, but no.")]
