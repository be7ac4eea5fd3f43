"""From the finish on an answer is whole: what follows is no text and no failure, on every wire and in any pieces."""

from typing import Any

import pytest

from app.events import FinishReason, Usage
from app.providers.model import ModelClient
from app.providers.native_lane import WIRES
from app.providers.provider import Lane, Wire
from tests.providers.calls import call, request_to, route_to
from tests.providers.differential.sample import sse
from tests.upstream import Exchange, Fault, Upstream

CHAT, RESPONSES, MESSAGES, GEMINI = Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.ANTHROPIC_MESSAGES, Wire.GEMINI


def text(wire: Wire, piece: str) -> Any:
    return {
        CHAT: {"choices": [{"index": 0, "delta": {"content": piece}}]},
        RESPONSES: {"type": "response.output_text.delta", "delta": piece},
        MESSAGES: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}},
        GEMINI: {"candidates": [{"content": {"parts": [{"text": piece}]}}]},
    }[wire]


FINISH: dict[Wire, list[Any]] = {
    CHAT: [
        {
            "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        }
    ],
    RESPONSES: [
        {
            "type": "response.completed",
            "response": {
                "status": "completed",
                "usage": {"input_tokens": 3, "output_tokens": 2},
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
            },
        }
    ],
    MESSAGES: [
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": 3, "output_tokens": 2},
        },
        {"type": "message_stop"},
    ],
    GEMINI: [
        {
            "candidates": [{"content": {"parts": [{"text": "lo"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2},
        }
    ],
}
AFTER: dict[str, bytes] = {
    "an error": sse({"error": {"type": "server_error", "code": "server_error", "message": "Boom"}}),
    "an error event": b"event: error\n" + sse({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}),
    "broken JSON": b"data: {\n\n",
    "another reason": sse(
        {"choices": [{"index": 0, "finish_reason": "length"}], "candidates": [{"finishReason": "SAFETY"}]}
    ),
    "nothing": b"",
}


@pytest.mark.parametrize("lane", [Lane.NATIVE], indirect=True)
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("split", [None, 1])
@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut"])
async def test_what_follows_the_finish_changes_nothing(
    lane: ModelClient, upstream: Upstream, wire: Wire, after: str, split: int | None, *, cut: bool
) -> None:
    first = ["Hel", "lo"] if wire is MESSAGES else ["Hel"]
    body = sse(*[text(wire, piece) for piece in first], *FINISH[wire]) + AFTER[after] + sse(text(wire, " again"))

    async def play(exchange: Exchange) -> None:
        exchange.head(content_type="text/event-stream")
        exchange.split = split
        await exchange.send(body)
        if cut:
            await exchange.reset()
        else:
            await exchange.end()

    upstream.script = Fault("after", play, None)
    outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

    assert (outcome.code, outcome.text, outcome.usage) == (None, "Hello", Usage(input=3, output=2))
    assert [finish.reason for finish in outcome.finish] == [FinishReason.STOP]


@pytest.mark.parametrize("lane", [Lane.NATIVE], indirect=True)
@pytest.mark.parametrize("wire", WIRES)
async def test_an_error_before_the_finish_is_a_failure(lane: ModelClient, upstream: Upstream, wire: Wire) -> None:
    async def play(exchange: Exchange) -> None:
        exchange.head(content_type="text/event-stream")
        await exchange.send(sse(text(wire, "Hel")) + AFTER["an error"] + sse(*FINISH[wire]))
        await exchange.end()

    upstream.script = Fault("before", play, None)
    outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

    assert (outcome.code, outcome.text, outcome.finish) == ("provider_internal_error", "Hel", [])
