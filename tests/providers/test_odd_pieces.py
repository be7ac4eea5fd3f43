"""A piece of the answer in a form that cannot be read is a failure of the provider, never left out in silence."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.errors import InvalidProviderResponse
from app.providers.model import ModelClient
from app.providers.provider import Lane, Wire
from tests.providers.calls import Outcome, call, request_to, route_to
from tests.providers.differential.sample import sse
from tests.upstream import Exchange, Fault, Upstream

ODD: list[Any] = [7, 0, True, False, {"a": 1}, ["a"]]
CHAT, RESPONSES, MESSAGES, GEMINI = Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.ANTHROPIC_MESSAGES, Wire.GEMINI


def chat(delta: Any) -> list[Any]:
    return [{"choices": [{"index": 0, "delta": delta}]}, {"choices": [{"index": 0, "finish_reason": "stop"}]}]


def chat_call(arguments: Any) -> list[Any]:
    return chat({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}]})


def responses(*events: Any) -> list[Any]:
    return [*events, {"type": "response.completed", "response": {"status": "completed", "output": []}}]


def responses_call(arguments: Any) -> list[Any]:
    item = {"type": "function_call", "call_id": "a", "name": "f", "arguments": arguments}
    return responses({"type": "response.output_item.done", "output_index": 0, "item": item})


def messages(event: Any) -> list[Any]:
    return [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a", "name": "f"}},
        event,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]


def block(index: int, **delta: Any) -> list[Any]:
    return messages({"type": "content_block_delta", "index": index, "delta": delta})


def gemini(part: Any) -> list[Any]:
    return [{"candidates": [{"content": {"parts": [part]}}]}, {"candidates": [{"finishReason": "STOP"}]}]


async def answer(lane: ModelClient, upstream: Upstream, wire: Wire, events: Sequence[Any]) -> Outcome:
    async def play(exchange: Exchange) -> None:
        exchange.head(content_type="text/event-stream")
        await exchange.send(sse(*events))
        await exchange.end()

    upstream.script = Fault("events", play, None)
    return await call(lane, request_to(route_to(upstream.base_url, wire)))


def with_(odd: Any) -> list[tuple[Wire, list[Any]]]:
    """Give streams with `odd` wherever the wires have a text."""
    return [
        (CHAT, chat({"content": [{"type": "text", "text": odd}]})),
        (CHAT, chat({"refusal": odd})),
        (CHAT, chat({"reasoning": odd})),
        (RESPONSES, responses({"type": "response.output_text.delta", "delta": odd})),
        (RESPONSES, responses({"type": "response.output_text.done", "text": odd})),
        (RESPONSES, responses_call(odd)),
        (MESSAGES, block(1, type="text_delta", text=odd)),
        (MESSAGES, block(0, type="input_json_delta", partial_json=odd)),
        (GEMINI, gemini({"text": odd})),
    ]


@pytest.mark.parametrize("lane", [Lane.NATIVE], indirect=True)
@pytest.mark.parametrize("odd", ODD, ids=repr)
async def test_what_is_no_text_is_no_answer(lane: ModelClient, upstream: Upstream, odd: Any) -> None:
    streams = with_(odd)
    if not isinstance(odd, list):
        streams.append((CHAT, chat({"content": odd})))
    if not isinstance(odd, dict):
        streams += [(CHAT, chat_call(odd)), (GEMINI, gemini({"functionCall": {"name": "f", "args": odd}}))]
        streams += [(CHAT, chat(odd)), (CHAT, chat({"tool_calls": odd})), (GEMINI, gemini(odd))]
    for wire, events in streams:
        outcome = await answer(lane, upstream, wire, events)

        assert isinstance(outcome.error, InvalidProviderResponse), (wire, events)
        assert outcome.finish == []


@pytest.mark.parametrize("lane", [Lane.NATIVE], indirect=True)
async def test_no_text_at_all_is_none(lane: ModelClient, upstream: Upstream) -> None:
    streams = [*with_(None), (CHAT, chat({"content": None, "tool_calls": None})), (CHAT, chat(None)), (CHAT, chat({}))]
    for wire, events in streams:
        outcome = await answer(lane, upstream, wire, events)

        assert (outcome.code, outcome.text) == (None, ""), (wire, events)


@pytest.mark.parametrize("lane", [Lane.NATIVE], indirect=True)
async def test_what_came_before_an_odd_piece_is_kept(lane: ModelClient, upstream: Upstream) -> None:
    outcome = await answer(lane, upstream, CHAT, [*chat({"content": "Hel"})[:1], *chat({"content": 7})])

    assert (outcome.code, outcome.text) == ("invalid_provider_response", "Hel")
