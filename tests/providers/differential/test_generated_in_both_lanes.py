"""Generated answers through a real upstream: as they were meant in our own lane, and the same in litellm's."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.providers.model import ModelClient
from app.providers.native_lane import WIRES
from app.providers.provider import Lane, Wire
from tests.providers.calls import call, open_lane, request_to, route_to
from tests.providers.differential.compared import Fields, answer, parsed
from tests.providers.differential.rendered import RENDERED
from tests.providers.differential.speech import Speech, joined, speeches
from tests.providers.differential.written import write
from tests.upstream import Exchange, Fault, Upstream


def meant(speech: Speech, wire: Wire) -> Fields:
    """Give what a lane must answer."""
    spoken = {kind: "".join(text for told, text in speech.pieces if told == kind) for kind, _ in speech.pieces}
    usage = speech.usage
    return {
        "text": joined(spoken.get("text", "")),
        "reasoning": joined(spoken.get("reasoning", "")),
        "calls": [
            (made.id, made.name, parsed(joined(spoken[f"call {place}"]))) for place, made in enumerate(speech.calls)
        ],
        "usage": replace(usage, reasoning=0) if usage and wire is Wire.ANTHROPIC_MESSAGES else usage,
        "finish": [speech.finish],
        "error": None,
    }


def played(speech: Speech, wire: Wire, random: Random) -> Fault:
    body = write(RENDERED[wire](speech, random), random).body
    split = random.choice((None, 1, 7, 100))

    async def play(exchange: Exchange) -> None:
        exchange.head(content_type="text/event-stream")
        exchange.split = split
        await exchange.send(body)
        await exchange.end()

    return Fault("generated", play, None)


class Stage:
    """An upstream and the lanes in an event loop of their own, so that hypothesis may call them."""

    def __init__(self, *kinds: Lane) -> None:
        self._kinds = kinds
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._lanes: list[ModelClient] = []

    def __enter__(self) -> Self:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _open(self) -> None:
        self._upstream = await self._stack.enter_async_context(Upstream())
        self._lanes = [await self._stack.enter_async_context(open_lane(kind)) for kind in self._kinds]

    def answers(self, wire: Wire, fault: Fault) -> list[Fields]:
        """Give what each lane makes of `fault`."""
        self._upstream.script = fault
        return self._runner.run(self._ask(wire))

    async def _ask(self, wire: Wire) -> list[Fields]:
        request = request_to(route_to(self._upstream.base_url, wire))
        return [answer(await call(lane, request)) for lane in self._lanes]


def check(wire: Wire, examples: int, *kinds: Lane, plain: bool) -> None:
    with Stage(*kinds) as stage:
        # The forms are drawn from a seed: shrinking takes minutes and finds nothing smaller.
        phases = [Phase.explicit, Phase.reuse, Phase.generate]

        @settings(max_examples=examples, phases=phases, suppress_health_check=[HealthCheck.too_slow])
        @given(speech=speeches(whole_calls=wire is Wire.GEMINI, plain=plain), random=st.randoms(use_true_random=True))
        def every(speech: Speech, random: Random) -> None:
            answers: list[Any] = stage.answers(wire, played(speech, wire, random))

            assert answers == [meant(speech, wire)] * len(kinds)

        every()


wires = pytest.mark.parametrize("wire", WIRES)


@wires
def test_our_own_lane_gives_what_was_meant(wire: Wire) -> None:
    check(wire, 30, Lane.NATIVE, plain=False)


@wires
def test_both_lanes_give_what_was_meant(wire: Wire) -> None:
    check(wire, 12, Lane.NATIVE, Lane.LITELLM, plain=True)


@pytest.mark.prove
@pytest.mark.timeout(600)
@wires
def test_both_lanes_give_what_was_meant_hundreds_of_times(wire: Wire) -> None:
    check(wire, 300, Lane.NATIVE, plain=False)
    check(wire, 300, Lane.NATIVE, Lane.LITELLM, plain=True)
