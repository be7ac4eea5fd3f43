"""A hundred readers that take nothing, and a hundred that leave a very long replay at once."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from bench.figures import Spread
from tests.replicas.environment import TOKENS
from tests.replicas.frozen import RawReaders
from tests.replicas.measuring import LAG_LIMIT_MS, Watch, lag_of, watching
from tests.replicas.place import Place, Record, gateway, noting
from tests.replicas.play import Play
from tests.replicas.recorder import Recorder

READERS: Final = 100
EVENTS: Final = 100_000
GROWTH_MB: Final = 100.0
QUIET: Final = 100
"""How often others have asked before any reader comes."""
STOP_S: Final = 20.0
"""The default grace of a test, what streams get beyond it, and some more."""
_CUT: Final = ("ASGI callable returned without completing response.", "Cancel 0 running task(s)")
"""What uvicorn says of readers that are cut at the end as they take nothing."""
FIRST: Final = 1024
_DELTA: Final = '{{"v":1,"type":"message.delta","seq":{0},"run_id":"{1}","message_id":"{2}","content":"word {0} "}}'


def lengthen(file: Path, run_id: str, events: int) -> None:
    """Make a run that is over one of so many events, as its own process would have stored them."""
    with closing(sqlite3.connect(file, timeout=30)) as connection, connection:
        run = run_id.replace("-", "")
        (last, data) = connection.execute(
            "SELECT seq, data FROM run_events WHERE run_id = ? ORDER BY seq DESC", [run]
        ).fetchone()
        (message,) = connection.execute("SELECT message_id FROM runs WHERE id = ?", [run]).fetchone()
        connection.execute("DELETE FROM run_events WHERE run_id = ? AND seq > 1", [run])
        deltas = ((run, seq, "message.delta", _DELTA.format(seq, run_id, message)) for seq in range(2, events))
        connection.executemany("INSERT INTO run_events (run_id, seq, type, data) VALUES (?, ?, ?, ?)", deltas)
        end = data.replace(f'"seq":{last}', f'"seq":{events}')
        connection.execute(
            "INSERT INTO run_events (run_id, seq, type, data) VALUES (?, ?, ?, ?)", [run, events, "run.completed", end]
        )
        connection.execute("UPDATE runs SET last_seq = ? WHERE id = ?", [events, run])


async def judge(place: Place, watch: Watch, begun: float, record: Record) -> None:
    lag = await lag_of(place.replica, begun, time.monotonic())
    ended = await place.replica.terminate(seconds=STOP_S)
    record("growth_mb", round(watch.growth_mb, 1))
    record("rss_mb", round(watch.memory[0] / 1e6))
    record("others_p99_ms", round(watch.p99_ms, 1))
    before = Spread.of(watch.waits[:QUIET]).p99
    record("others_p99_ms_before", round(before, 1))
    record("others_asked", len(watch.waits))
    record("lag_ms", lag)
    record("stop", ended)
    assert watch.growth_mb < GROWTH_MB
    assert watch.p99_ms < LAG_LIMIT_MS
    assert len(watch.waits) > 300
    assert ended.code == 0
    assert [line for line in place.replica.errors() if not any(words in line for words in _CUT)] == []


async def settled(watch: Watch, looks: int = 300) -> None:
    """Wait until so many more looks were taken."""
    until = len(watch.waits) + looks
    async with asyncio.timeout(60):
        while len(watch.waits) < until:  # noqa: ASYNC110 - the watch tells nobody
            await asyncio.sleep(0.05)


@pytest.fixture
def record(record_property: Record) -> Record:
    return noting(record_property)


@pytest.mark.prove
@pytest.mark.timeout(180)
@pytest.mark.parametrize("size", [100, 16_000])
async def test_frozen_readers_of_a_living_run_cost_little(
    sqlite_url: str, tmp_path: Path, record: Record, size: int
) -> None:
    chunks = 1_900_000 // size
    async with gateway(sqlite_url, tmp_path) as place, RawReaders(place.replica.base_url, TOKENS["alice"]) as readers:
        recorder = await Recorder.create(place.http)
        sending = asyncio.create_task(recorder.send(place.http, Play(chunks=chunks, size=size, gate="end", at=chunks)))
        await place.upstream.reached("end", seconds=60)
        await recorder.until(lambda: len(recorder.readings[0].text) >= chunks * size, seconds=60)
        begun = time.monotonic()
        async with watching(place.replica, place.http, f"/api/chat/conversations/{recorder.conversation}/") as watch:
            await settled(watch, QUIET)
            await readers.open(recorder.run_id, READERS, first=FIRST)
            await settled(watch)
        await judge(place, watch, begun, record)
        assert (await sending).over


@pytest.mark.prove
@pytest.mark.timeout(180)
@pytest.mark.parametrize("leave", [False, True], ids=["frozen", "leaving"])
async def test_a_replay_of_very_many_events_costs_little(
    sqlite_url: str, tmp_path: Path, record: Record, *, leave: bool
) -> None:
    async with gateway(sqlite_url, tmp_path) as place, RawReaders(place.replica.base_url, TOKENS["alice"]) as readers:
        recorder = await Recorder.create(place.http)
        await recorder.send(place.http, Play())
        await asyncio.to_thread(lengthen, Path(sqlite_url.removeprefix("sqlite:///")), recorder.run_id, EVENTS)
        begun = time.monotonic()
        async with watching(place.replica, place.http, f"/api/chat/conversations/{recorder.conversation}/") as watch:
            await settled(watch, QUIET)
            if leave:
                await readers.leave(recorder.run_id, READERS, after=FIRST)
            else:
                await readers.open(recorder.run_id, READERS, first=FIRST)
            await settled(watch)
            whole = await recorder.resume(place.http, after=0) if leave else None
        await judge(place, watch, begun, record)
    assert whole is None or (len(whole.frames), whole.over) == (EVENTS, True)
