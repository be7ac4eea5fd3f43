"""The same with processes: what is read on at the other one is, byte for byte, what was not cut."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.replicas.environment import TOKENS, environment
from tests.replicas.history import Recorder, check_history
from tests.replicas.play import Play, text_of
from tests.replicas.process import Replica
from tests.replicas.reading import Ended, Reading
from tests.replicas.sides import Store, store_of
from tests.replicas.upstream import PlayingUpstream
from tests.valkey_server import valkey

__all__ = ["valkey"]
TOKEN = TOKENS["alice"]


@pytest.fixture
async def upstream() -> AsyncGenerator[PlayingUpstream]:
    async with PlayingUpstream() as running:
        yield running


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    return store_of(request.param, request)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("store", "chunks"),
    [
        ("postgres+valkey", 10),
        *(pytest.param(store, 60, marks=pytest.mark.prove) for store in ("sqlite", "postgres", "postgres+valkey")),
    ],
    indirect=["store"],
)
async def test_cut_at_every_event_and_read_on_at_the_other_process(
    store: Store, upstream: PlayingUpstream, tmp_path: Path, chunks: int
) -> None:
    more = {"GATEWAY_VALKEY_URL": store.valkey_url.get_secret_value()} if store.valkey_url else {}
    environ = environment(store.url, upstream.base_url, tmp_path, GATEWAY_SHUTDOWN_GRACE_SECONDS="0.2", **more)
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(Replica(environ, log=tmp_path / f"{name}.log"))
            for name in (("writer", "other") if store.shared else ("writer",))
        ]
        here, there = [await stack.enter_async_context(replicas[place].client(TOKEN)) for place in (0, -1)]
        recorder = await Recorder.create(here)
        sending = asyncio.create_task(recorder.send(here, Play(chunks=chunks, pace_ms=20, gate="door", at=chunks // 2)))
        await upstream.reached("door", seconds=30)
        await recorder.until(lambda: recorder.readings[0].text.count("·") == chunks // 2)
        live = [
            asyncio.create_task(recorder.resume(there, after=after, header=after % 2 == 0))
            for after in range(recorder.readings[0].seen + 1)
        ]
        await recorder.until(lambda: [reading.status for reading in recorder.readings] == [200] * (len(live) + 1))
        upstream.open("door")
        uncut = await sending
        resumed = await asyncio.gather(*live)
        resumed += [
            await recorder.resume(there, after=after, header=header)
            for after in range(uncut.seen)
            for header in (True, False)
        ]
        seen = await recorder.resume(there, after=uncut.seen)
        figures = await check_history([recorder], there)

    assert uncut.text == text_of(recorder.sent[0].text)
    for reading in resumed:
        assert (reading.end, reading.odd) == (Ended.DONE, [])
        assert _raw(uncut)[: reading.after] + _raw(reading) == _raw(uncut)
    assert seen.status == 204
    assert (len(live) > chunks // 4, figures.events_changed) == (True, 0)
    assert [replica.errors() for replica in replicas] == [[]] * len(replicas)


def _raw(reading: Reading) -> list[bytes]:
    assert reading.last is not None
    return [frame.raw for frame in (*reading.frames, reading.last)]
