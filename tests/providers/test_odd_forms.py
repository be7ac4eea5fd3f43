"""Answers in forms that no document of a wire shows, and that servers send: nothing is left out, nothing doubled."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.errors import NOWHERE
from app.events import FinishReason
from app.providers.model import ReasoningTextDelta, TextDelta, ToolCallPiece
from app.providers.pieces import Pieces
from app.providers.wires import anthropic_messages, gemini, openai_chat, openai_responses
from app.providers.wires.reading import Reading

Event = Mapping[str, Any]
Call = tuple[str | None, str | None, str]


def heard(wire: Any, *events: Event) -> tuple[str, list[Call], FinishReason | None]:
    """Give the text, the calls by their index, and the finish."""
    pieces, reading = Pieces(None, NOWHERE), Reading()
    for event in events:
        assert wire.read(event, reading) is None
        wire.say(event, pieces)
        pieces.flush()
    pieces.end()
    text = "".join(delta.text for delta in pieces.ready if isinstance(delta, TextDelta))
    calls: dict[int, Call] = {}
    for delta in pieces.ready:
        if isinstance(delta, ToolCallPiece):
            id_, name, arguments = calls.get(delta.index, (None, None, ""))
            calls[delta.index] = (id_ or delta.id, name or delta.name, arguments + delta.arguments)
    return text, [calls[index] for index in sorted(calls)], reading.finish


def chat(delta: Event | None = None, finish: str | None = None, **choice: object) -> Event:
    said = {} if delta is None else {"delta": delta}
    return {"choices": [{"index": 0, "finish_reason": finish, **said, **choice}]}


def chat_call(finish: str | None = None, /, **call: object) -> Event:
    return chat({"tool_calls": [{"index": 0, **call}]}, finish)


WHOLE_CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}


class TestChat:
    @pytest.mark.parametrize(
        "events",
        [
            [chat(finish="stop", message={"role": "assistant", "content": "Hello"})],
            [chat({"content": "Hel"}), chat({"content": "lo"}), chat(finish="stop", message={"content": "Hello"})],
            [chat({"content": "Hel"}), chat(finish="stop", message={"content": "Hello"})],
            [chat({"content": "Hello"}, message={"content": "Hello"}), chat({}, "stop")],
            [chat(finish="stop", text="Hello")],
            [chat({"content": "Hello"}, text="Hello"), chat({}, "stop", text="")],
            [chat({"content": "Hello"}), {"choices": [{"index": 1, "delta": {"content": "Bye"}}]}, chat({}, "stop")],
        ],
    )
    def test_text(self, events: list[Event]) -> None:
        assert heard(openai_chat, *events) == ("Hello", [], FinishReason.STOP)

    def test_another_answer_does_not_end_the_first(self) -> None:
        other: Event = {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}
        assert heard(openai_chat, chat({"content": "Hel"}), other) == ("Hel", [], None)

    def test_thoughts_of_a_whole_message(self) -> None:
        pieces = Pieces(None, NOWHERE)
        openai_chat.say(chat(message={"content": "Yes", "reasoning_content": "So"}), pieces)
        pieces.end()
        assert list(pieces.ready) == [ReasoningTextDelta("So"), TextDelta("Yes")]

    @pytest.mark.parametrize(
        "events",
        [
            [chat(finish="stop", message={"content": None, "tool_calls": [WHOLE_CALL]})],
            [
                chat({"tool_calls": [{"index": 0, **WHOLE_CALL}]}),
                chat({}, "stop", message={"tool_calls": [WHOLE_CALL]}),
            ],
            [
                chat_call(id="c1", function={"name": "look", "arguments": '{"a"'}),
                chat({}, "stop", message={"tool_calls": [WHOLE_CALL]}),
            ],
            [
                chat_call(id="c1"),
                chat_call(function={"name": "look"}),
                chat_call("stop", function={"arguments": '{"a":1}'}),
            ],
            [
                chat_call(function={"name": "look", "arguments": '{"a"'}),
                chat_call("stop", id="c1", function={"arguments": ":1}"}),
            ],
            [
                chat_call(id="c1", function={"name": "look", "arguments": '{"a"'}),
                chat_call("stop", id="c1", function={"name": "look", "arguments": ":1}"}),
            ],
        ],
    )
    def test_a_call(self, events: list[Event]) -> None:
        assert heard(openai_chat, *events) == ("", [("c1", "look", '{"a":1}')], FinishReason.TOOL_CALLS)

    def test_the_function_call_of_old(self) -> None:
        events = [
            chat({"function_call": {"name": "look", "arguments": '{"a"'}}),
            chat({"content": None, "function_call": {"arguments": ":1}"}}),
            chat({}, "function_call"),
        ]
        assert heard(openai_chat, *events) == ("", [(None, "look", '{"a":1}')], FinishReason.TOOL_CALLS)

    def test_calls_that_share_an_index_stay_apart(self) -> None:
        first = chat_call(id="c1", function={"name": "look", "arguments": "{}"})
        second = chat_call("tool_calls", id="c2", function={"name": "look", "arguments": "{}"})
        assert heard(openai_chat, first, second)[1] == [("c1", "look", "{}"), ("c2", "look", "{}")]

    def test_a_call_without_an_id_is_not_the_next_one_with_an_id(self) -> None:
        first = chat_call(function={"name": "look", "arguments": "{}"})
        second = chat_call("tool_calls", id="c2", function={"name": "find", "arguments": "{}"})
        assert heard(openai_chat, first, second)[1] == [(None, "look", "{}"), ("c2", "find", "{}")]


ADDED: Event = {
    "type": "response.output_item.added",
    "output_index": 0,
    "item": {"type": "function_call", "call_id": "c1", "name": "look", "arguments": ""},
}
ENDED: Event = {"type": "response.completed", "response": {"status": "completed", "output": []}}


def arguments(kind: str, text: str) -> Event:
    name = "delta" if kind == "delta" else "arguments"
    return {"type": f"response.function_call_arguments.{kind}", "output_index": 0, name: text}


def item_done(text: str) -> Event:
    item = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": text}
    return {"type": "response.output_item.done", "output_index": 0, "item": item}


@pytest.mark.parametrize(
    "told",
    [
        [arguments("done", '{"a":1}')],
        [arguments("delta", '{"a"'), arguments("done", '{"a":1}')],
        [arguments("delta", '{"a":1}'), arguments("done", '{"a":1}'), item_done('{"a":1}')],
        [arguments("delta", '{"a"'), item_done('{"a":1}')],
        [arguments("delta", '{"a":1}'), item_done('{"a": 1}')],
    ],
)
def test_arguments_on_the_responses_wire(told: list[Event]) -> None:
    assert heard(openai_responses, ADDED, *told, ENDED) == ("", [("c1", "look", '{"a":1}')], FinishReason.TOOL_CALLS)


def test_content_in_the_start_of_a_message() -> None:
    content = [{"type": "text", "text": "Hello"}, {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}}]
    events: list[Event] = [
        {"type": "message_start", "message": {"content": content}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]
    assert heard(anthropic_messages, *events) == ("Hello", [("c1", "look", '{"a":1}')], FinishReason.TOOL_CALLS)


def candidate(*parts: Event) -> Event:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP"}]}


def test_text_and_a_call_in_one_part() -> None:
    part = {"text": "Hello", "functionCall": {"id": "c1", "name": "look", "args": {"a": 1}}}
    assert heard(gemini, candidate(part)) == ("Hello", [("c1", "look", '{"a":1}')], FinishReason.TOOL_CALLS)


def test_calls_with_one_id_are_two() -> None:
    part = {"functionCall": {"id": "c1", "name": "look", "args": {"a": 1}}}
    call = ("c1", "look", '{"a":1}')
    assert heard(gemini, candidate(part, part)) == ("", [call, call], FinishReason.TOOL_CALLS)


def test_another_candidate_is_not_mixed_in() -> None:
    other: Event = {"candidates": [{"index": 1, "content": {"parts": [{"text": "Bye"}]}, "finishReason": "STOP"}]}
    assert heard(gemini, other) == ("", [], None)
