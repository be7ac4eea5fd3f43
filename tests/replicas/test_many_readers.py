"""Many readers of one run at once, on both replicas; and how soon the other one hears of its end."""

import asyncio
from collections.abc import AsyncGenerator, Container
from contextlib import AsyncExitStack

import pytest

from app.providers.model import TextDelta
from app.runs import readers as readers_module
from app.wakeups import Wakeups
from tests.replicas.body import DONE, Body, frames, reading, resume, sending
from tests.replicas.sides import Side, Sides, Store, new_conversation, store_of
from tests.runs.desk import until
from tests.runs.scripted import STOP, Pause, words
from tests.valkey_server import valkey

__all__ = ["valkey"]
READERS = 50


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    return store_of("postgres+valkey", request)


@pytest.fixture
async def sides(store: Store) -> AsyncGenerator[Sides]:
    async with Sides.open(store, ping_seconds=600.0) as opened:
        yield opened


def _wakeups(side: Side) -> Wakeups:
    return side.services.runner.wakeups


def _watched(side: Side) -> Container[str]:
    return _wakeups(side)._watches  # pyright: ignore[reportPrivateUsage]  # what is kept in vain shows nowhere else


async def test_fifty_readers_on_each_side_get_the_same_bytes(sides: Sides) -> None:
    pauses = [Pause(), Pause()]
    sides.writer.model.play([*words("Lisbon is")[:-1], pauses[0], TextDelta("lovely "), pauses[1], STOP])
    async with AsyncExitStack() as stack:
        uncut = await stack.enter_async_context(sending(sides.writer.http, await new_conversation(sides.writer)))
        await pauses[0].reached.wait()
        parts = resume(uncut.run_id, 0, header=False)
        readers: list[Body] = await asyncio.gather(
            *(stack.enter_async_context(reading(side.http, **parts)) for side in sides.each for _ in range(READERS))
        )
        for reader in readers:
            await reader.until(lambda reader=reader: b"Lisbon" in reader.content)
        for pause in pauses:
            await pause.reached.wait()
            pause.release.set()
        whole = await uncut.whole()
        read = [await reader.whole() for reader in readers]

    assert len(read) == 2 * READERS
    assert set(read) == {whole}
    assert whole.count(DONE) == 1
    for side in sides.each:
        await until(lambda side=side: f"run:{uncut.run_id}" not in _watched(side))


async def test_the_other_side_is_told_of_the_end(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look by itself only after a minute."""
    monkeypatch.setattr(readers_module, "WOKEN_POLL_S", 60.0)
    await until(lambda: _wakeups(sides.other).reaches_others)
    pause = Pause()
    sides.writer.model.play([TextDelta("Lisbon"), pause, STOP])
    async with sending(sides.writer.http, await new_conversation(sides.writer)) as uncut:
        await pause.reached.wait()
        async with reading(sides.other.http, **resume(uncut.run_id, 1, header=True)) as other:
            await other.until(lambda: b"Lisbon" in other.content)
            pause.release.set()
            rest = await other.whole(seconds=20)
        whole = await uncut.whole()

    assert rest == b"".join(frames(whole)[1:])


async def test_whoever_leaves_the_other_side_leaves_nothing_behind(sides: Sides) -> None:
    pause = Pause()
    sides.writer.model.play([TextDelta("Lisbon"), pause, STOP])
    async with sending(sides.writer.http, await new_conversation(sides.writer)) as uncut:
        topic = f"run:{uncut.run_id}"
        for _ in range(10):
            async with reading(sides.other.http, **resume(uncut.run_id, 0, header=False)) as other:
                await other.until(lambda other=other: b"Lisbon" in other.content)
                assert topic in _watched(sides.other)
            await until(lambda: topic not in _watched(sides.other))
        pause.release.set()
        await uncut.whole()
    told = await sides.other.http.get("/health/ready")
    assert told.status_code == 200, told.text


async def test_readers_that_leave_amid_a_query_take_no_connection_along(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers_module, "POLL_S", 0.0)
    monkeypatch.setattr(readers_module, "WOKEN_POLL_S", 0.0)
    pause, other = Pause(), sides.other
    sides.writer.model.play([TextDelta("Lisbon"), pause, STOP])
    async with sending(sides.writer.http, await new_conversation(sides.writer)) as uncut:
        await pause.reached.wait()
        for _ in range(3):
            async with AsyncExitStack() as stack:
                parts = resume(uncut.run_id, 0, header=False)
                leaving: list[Body] = await asyncio.gather(
                    *(stack.enter_async_context(reading(other.http, **parts)) for _ in range(12))
                )
                for reader in leaving:
                    await reader.until(lambda reader=reader: b"Lisbon" in reader.content)
            await until(lambda: f"run:{uncut.run_id}" not in _watched(other))
        told = await asyncio.gather(*(other.http.get(f"/api/chat/runs/{uncut.run_id}/") for _ in range(12)))
        pause.release.set()
        await uncut.whole()

    assert {answer.status_code for answer in told} == {200}
