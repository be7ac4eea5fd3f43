"""What follows a whole answer, and who is slow, decides nothing about the answer itself."""

import asyncio
import json

import pytest

from app.events import FinishReason
from app.providers import call_deadline
from app.providers.model import ModelClient
from app.providers.provider import Deadlines, Lane, Wire
from tests.providers.calls import QUICK, Outcome, call, request_to, route_to
from tests.upstream import Answer, Exchange, Fault, Upstream


async def _pings_after_the_end(exchange: Exchange) -> None:
    exchange.head(content_type="text/event-stream")
    text = {"choices": [{"index": 0, "delta": {"content": "All of it"}, "finish_reason": "stop"}]}
    await exchange.send(b"data: " + json.dumps(text).encode() + b"\n\n")
    while True:
        await exchange.send(b": ping\n\n")
        await exchange.pause(0.05)


async def test_pings_after_the_end_do_not_hold_up_a_whole_answer(
    lane: ModelClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_deadline, "AFTER_FINISH_S", 0.2)
    upstream.script = Fault("pingsafter", _pings_after_the_end, None)

    async with asyncio.timeout(5):
        outcome = await call(lane, request_to(route_to(upstream.base_url, Wire.OPENAI_CHAT)))

    assert (outcome.code, outcome.text) == (None, "All of it")
    assert [finish.reason for finish in outcome.finish] == [FinishReason.STOP]


async def _whole_then_silent(exchange: Exchange) -> None:
    exchange.head(content_type="text/event-stream")
    text = {"choices": [{"index": 0, "delta": {"content": "All of it"}, "finish_reason": "stop"}]}
    await exchange.send(b"data: " + json.dumps(text).encode() + b"\n\n")
    await exchange.hang()


async def test_silence_after_the_end_makes_no_failure_of_a_whole_answer(lane: ModelClient, upstream: Upstream) -> None:
    upstream.script = Fault("silentafter", _whole_then_silent, None)

    outcome = await call(lane, request_to(route_to(upstream.base_url, Wire.OPENAI_CHAT), deadlines=QUICK))

    assert (outcome.code, outcome.text) == (None, "All of it")
    assert [finish.reason for finish in outcome.finish] == [FinishReason.STOP]


@pytest.mark.parametrize("lane", [Lane.NATIVE], indirect=True)
async def test_a_connection_is_used_again_where_the_body_ends_a_little_later(
    lane: ModelClient, upstream: Upstream
) -> None:
    upstream.script = Fault("endslate", _ends_late, None)
    for _ in range(3):
        assert (await call(lane, request_to(route_to(upstream.base_url, Wire.OPENAI_CHAT)))).code is None

    assert upstream.connections == 1


async def _ends_late(exchange: Exchange) -> None:
    exchange.head()
    for frame in exchange.frames(Answer()):
        await exchange.send(frame.data)
    await exchange.pause(0.01)
    await exchange.end()


async def test_a_connection_is_used_again_after_a_whole_answer(lane: ModelClient, upstream: Upstream) -> None:
    for _ in range(3):
        assert (await call(lane, request_to(route_to(upstream.base_url, Wire.OPENAI_CHAT)))).code is None

    assert upstream.connections == 1


@pytest.mark.prove
@pytest.mark.parametrize("lane", [Lane.NATIVE], indirect=True)
async def test_a_slow_reader_is_not_taken_for_a_silent_provider(lane: ModelClient, upstream: Upstream) -> None:
    upstream.script = Answer(texts=("one", "two"), delay=0.8)
    request = request_to(
        route_to(upstream.base_url, Wire.OPENAI_CHAT), deadlines=Deadlines(first_token_s=5, idle_s=0.5)
    )
    outcome = Outcome()

    async with lane.stream(request) as deltas:
        async for delta in deltas:
            outcome.add(delta)
            await asyncio.sleep(0.55)

    assert (outcome.text, len(outcome.finish)) == ("onetwo", 1)
