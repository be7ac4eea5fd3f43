"""A stream that is cut behind any event and read on, there or on the other replica, is the stream that was not cut."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.replicas.body import DONE, Body, reading, resume, sending
from tests.replicas.sides import STORES, Side, Sides, Store, new_conversation, store_of
from tests.replicas.streams import End, Invented, everything, streams
from tests.valkey_server import valkey

__all__ = ["valkey"]
_HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Store:
    return store_of(request.param, request)


@pytest.fixture
async def sides(store: Store) -> AsyncGenerator[Sides]:
    async with Sides.open(store, ping_seconds=600.0) as opened:
        yield opened


@given(streams)
@example(everything(End.COMPLETED, 1))
@example(everything(End.CANCELLED, 4))
@settings(max_examples=2, suppress_health_check=_HEALTH)
async def test_cut_at_every_event(sides: Sides, stream: Invented) -> None:
    await _cut_everywhere(sides, stream)


@pytest.mark.prove
@pytest.mark.timeout(1200)
@given(streams)
@example(everything(End.COMPLETED, 0))
@example(everything(End.INCOMPLETE, 2))
@example(everything(End.FAILED, 3))
@example(everything(End.CANCELLED, 4))
@settings(max_examples=100, suppress_health_check=_HEALTH)
async def test_cut_at_every_event_of_a_hundred_streams(sides: Sides, stream: Invented) -> None:
    await _cut_everywhere(sides, stream)


async def _cut_everywhere(sides: Sides, stream: Invented) -> None:
    conversation = await new_conversation(sides.writer)
    scripts, pauses = stream.scripts()
    sides.writer.model.play(*scripts)
    resumed: list[tuple[int, Body]] = []
    async with AsyncExitStack() as stack:
        uncut = await stack.enter_async_context(sending(sides.writer.http, conversation))
        for number, pause in enumerate(pauses):
            await pause.reached.wait()
            live = sides.writer.live(uncut.run_id)
            await live.journal.saved()
            if number == stream.live % len(pauses):
                resumed = await _resume_everywhere(sides, uncut.run_id, live.journal.last_seq, stack)
            if stream.end is End.CANCELLED and pause is pauses[-1]:
                await sides.other.http.post(f"/api/chat/runs/{uncut.run_id}/cancel/")
            else:
                pause.release.set()
        whole = await uncut.whole()
        frames = _checked(uncut, stream)
        assert resumed
        for after, body in resumed:
            assert b"".join(frames[:after]) + await body.whole() == whole
    await _after_the_end(sides.other, uncut.run_id, frames)


async def _resume_everywhere(sides: Sides, run_id: str, last_seq: int, stack: AsyncExitStack) -> list[tuple[int, Body]]:
    """Begin to read on behind every event that there is by now, on each side."""
    return [
        (after, await stack.enter_async_context(reading(side.http, **resume(run_id, after, header=header))))
        for side in sides.each
        for after in range(last_seq + 1)
        for header in (True, False)
    ]


async def _after_the_end(side: Side, run_id: str, frames: list[bytes]) -> None:
    last = len(frames) - 1
    for header in (True, False):
        for after in range(last):
            async with reading(side.http, **resume(run_id, after, header=header)) as body:
                assert b"".join(frames[:after]) + await body.whole() == b"".join(frames)
        parts = resume(run_id, last, header=header)
        seen = await side.http.get(parts.pop("path"), **parts)
        assert (seen.status_code, seen.content) == (204, b"")


def _checked(uncut: Body, stream: Invented) -> list[bytes]:
    """Give the frames after a look that they are what the others are to be measured by."""
    *events, done = frames = uncut.frames
    assert done == DONE
    told = [orjson.loads(frame.removesuffix(b"\n\n").rpartition(b"\ndata: ")[2]) for frame in events]
    for seq, (frame, event) in enumerate(zip(events, told, strict=True), start=1):
        assert frame.startswith(f"id: {uncut.run_id}:{seq}\nevent: {event['type']}\ndata: ".encode())
    assert [event["type"] for event in told].count("run.retrying") == stream.retries
    assert told[-1]["type"] in {stream.end, End.FAILED}
    return frames
