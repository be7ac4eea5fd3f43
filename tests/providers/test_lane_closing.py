"""However a call ends, the upstream's socket is closed at once and nothing of it stays behind."""

import asyncio
import gc
from enum import StrEnum

import psutil
import pytest

from app.providers.litellm_lane import LitellmLane
from app.providers.model import ModelClient
from app.providers.provider import Deadlines, Wire
from tests.providers.calls import call, request_to, route_to
from tests.upstream import BY_NAME, Upstream

WIRES = list(Wire)
SHORT = Deadlines(connect_s=5.0, first_token_s=5.0, idle_s=0.05, total_s=10.0)


class Exit(StrEnum):
    """The ways out of a call whose upstream would go on for ever."""

    CANCEL_EARLY = "cancel before the head"
    CANCEL = "cancel in the middle"
    LEAVE = "leave in the middle"
    ERROR = "error in the middle"


async def seconds_open(lane: ModelClient, upstream: Upstream, wire: Wire, exit_: Exit) -> float:
    """Go out of one call by `exit_`; give how long after it the upstream's socket was still open."""
    loop = asyncio.get_running_loop()
    upstream.script = BY_NAME["nohead" if exit_ is Exit.CANCEL_EARLY else "stall"]
    number = len(upstream.requests)
    route = route_to(upstream.base_url, wire)
    shown = asyncio.Event()

    async def watch() -> None:
        async with lane.stream(request_to(route)) as deltas:
            async for _ in deltas:
                shown.set()
                if exit_ is Exit.LEAVE:
                    return

    if exit_ is Exit.ERROR:
        outcome = await call(lane, request_to(route, deadlines=SHORT))
        assert outcome.code == "stream_stalled"
    else:
        task = asyncio.create_task(watch())
        if exit_ is Exit.CANCEL_EARLY:
            await upstream.until(lambda: len(upstream.requests) > number)
        else:
            async with asyncio.timeout(10):
                await shown.wait()
        if exit_ is not Exit.LEAVE:
            task.cancel()
        await asyncio.wait([task], timeout=5)
    left = loop.time()
    recorded = upstream.requests[number]
    await upstream.until(lambda: recorded.closed_at is not None)
    return (recorded.closed_at or left) - left


@pytest.mark.parametrize("exit_", list(Exit))
@pytest.mark.parametrize("wire", WIRES)
async def test_the_upstreams_socket_is_closed(lane: ModelClient, upstream: Upstream, wire: Wire, exit_: Exit) -> None:
    assert await seconds_open(lane, upstream, wire, exit_) < 1.0


def wires_of(lane: ModelClient) -> list[Wire]:
    return [wire for wire in WIRES if isinstance(lane, LitellmLane) or wire is not Wire.OLLAMA]


async def leave_many(lane: ModelClient, upstream: Upstream, rounds: int) -> list[float]:
    """Go out of `rounds` calls on each wire by each exit."""
    times: list[float] = []
    for _ in range(rounds):
        for wire in wires_of(lane):
            times += [await seconds_open(lane, upstream, wire, exit_) for exit_ in Exit]
    return times


async def check_for_leaks(lane: ModelClient, upstream: Upstream, rounds: int) -> list[float]:
    await leave_many(lane, upstream, 1)
    gc.collect()
    tasks, descriptors = len(asyncio.all_tasks()), psutil.Process().num_fds()

    times = await leave_many(lane, upstream, rounds)

    gc.collect()
    await upstream.until(lambda: upstream.open_sockets == 0)
    assert len(asyncio.all_tasks()) <= tasks
    assert psutil.Process().num_fds() <= descriptors
    return times


async def test_nothing_stays_behind(lane: ModelClient, upstream: Upstream) -> None:
    times = await check_for_leaks(lane, upstream, 2)

    assert max(times) < 1.0


@pytest.mark.prove
@pytest.mark.timeout(600)
async def test_nothing_stays_behind_a_thousand_calls(lane: ModelClient, upstream: Upstream) -> None:
    rounds = -(-1_000 // (len(Exit) * len(wires_of(lane))))

    times = await check_for_leaks(lane, upstream, rounds)

    assert len(times) >= 1_000
    assert max(times) < 1.0
    print(f"{len(times)} exits: slowest close {max(times) * 1000:.0f} ms")  # noqa: T201 - the figure of the proof
