"""Whatever an upstream sends: a typed error in time, a process that stays small, and nobody else who waits for it.

`LANES` has everybody who speaks to upstreams; a new lane is one more line.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from app.errors import GatewayError
from app.providers import litellm_setup
from app.providers.litellm_lane import LitellmLane
from app.providers.model import ModelClient
from app.providers.native_lane import WIRES, NativeLane
from app.providers.provider import Deadlines, Wire
from app.providers.transport import Transport
from tests.providers.calls import Outcome, request_to, route_to
from tests.providers.sending import LOOPBACK
from tests.providers.strain import Strain
from tests.upstream import BY_NAME, Answer, Upstream, redirect
from tests.upstream.hostile import HOSTILE

SHORT: Final = Deadlines(connect_s=1.0, first_token_s=1.0, idle_s=1.0, total_s=1.5)
PATIENT: Final = Deadlines(connect_s=20.0, first_token_s=20.0, idle_s=20.0, total_s=20.0)
"""For what is refused for what it is and not for its time, which a slow machine may need."""
MAX_RESPONSE_BYTES: Final = 2_000_000
MAX_SECONDS: Final = 2.0
MAX_LAG_S: Final = 0.1
MAX_GROWTH_BYTES: Final = 30_000_000
PARSED_AT_ONCE: Final = frozenset({"informal"})
"""The client library parses these heads up to 256 kB at a time; the deadline for the head ends it."""
ROUNDS: Final = 3

OpenLane = Callable[[Transport], AbstractAsyncContextManager[ModelClient]]


@asynccontextmanager
async def _litellm(transport: Transport) -> AsyncGenerator[ModelClient]:
    lane = LitellmLane(transport)
    lane.use(await asyncio.to_thread(litellm_setup.load))
    try:
        yield lane
    finally:
        await lane.close()


@asynccontextmanager
async def _native(transport: Transport) -> AsyncGenerator[ModelClient]:
    yield NativeLane(transport)


LANES: Final[Mapping[str, OpenLane]] = {"litellm": _litellm, "native": _native}
lanes = pytest.mark.parametrize("lane", LANES)
lanes_on_their_wires = pytest.mark.parametrize(
    ("lane", "wire"), [(lane, wire) for lane in LANES for wire in Wire if lane != "native" or wire in WIRES]
)
plays = pytest.mark.parametrize("play", HOSTILE)


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    """The base URL of an upstream in a process of its own."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.upstream.hostile"]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait(10)


@asynccontextmanager
async def warm(lane: str, wire: Wire) -> AsyncGenerator[ModelClient]:
    """Give a lane that has answered and failed once, so that no first time is measured."""
    async with (
        Transport(guard=LOOPBACK, max_response_bytes=MAX_RESPONSE_BYTES) as transport,
        LANES[lane](transport) as client,
        Upstream(Answer()) as good,
    ):
        assert (await ask(client, good.base_url, wire, deadlines=Deadlines())).error is None
        good.script = BY_NAME["err500"]
        assert (await ask(client, good.base_url, wire)).code == "provider_internal_error"
        yield client


async def ask(
    client: ModelClient, base_url: str, wire: Wire, model: str = "test-model", deadlines: Deadlines = SHORT
) -> Outcome:
    outcome = Outcome()
    request = request_to(route_to(base_url, wire, model=model), deadlines=deadlines, tools=())
    try:
        async with client.stream(request) as deltas:
            async for delta in deltas:
                outcome.add(delta)
    except GatewayError as error:
        outcome.error = error
    return outcome


@lanes
async def test_every_play_ends_with_its_own_error_and_leaves_the_process_small(lane: str, hostile: str) -> None:
    async with warm(lane, Wire.OPENAI_CHAT) as client:
        for play in HOSTILE:
            expected = HOSTILE[play].expects(Wire.OPENAI_CHAT)
            deadlines = SHORT if expected == "provider_timeout" else PATIENT
            async with Strain() as strain:
                outcome = await ask(client, hostile, Wire.OPENAI_CHAT, play, deadlines=deadlines)

            assert (play, outcome.code) == (play, expected)
            assert outcome.finish == []
            assert strain.grown_bytes < MAX_GROWTH_BYTES, play


@pytest.mark.prove
@lanes_on_their_wires
@plays
async def test_no_play_makes_others_wait(lane: str, play: str, wire: Wire, hostile: str) -> None:
    async with warm(lane, wire) as client:
        for _ in range(ROUNDS):
            async with Strain() as strain:
                outcome = await ask(client, hostile, wire, play)

            assert outcome.error is not None
            assert strain.seconds < MAX_SECONDS
            assert strain.lag_s < MAX_LAG_S or play in PARSED_AT_ONCE
            assert strain.grown_bytes < MAX_GROWTH_BYTES


@lanes_on_their_wires
async def test_a_redirect_takes_neither_key_nor_question_to_a_second_host(lane: str, wire: Wire) -> None:
    async with warm(lane, wire) as client, Upstream() as first, Upstream() as second:
        for status in (301, 302, 307, 308):
            first.script = redirect(f"{second.base_url}/v1/chat/completions", status)
            assert (await ask(client, first.base_url, wire)).code == "invalid_provider_response"

        assert (len(first.requests), second.connections) == (4, 0)
