"""Valkey that is stopped, flushed and hung while readers follow on another replica than the run's."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.replicas.history import check_history
from tests.replicas.load import shown_since
from tests.replicas.measuring import LAG_LIMIT_MS, RECOVERY_LIMIT_S, lag_of
from tests.replicas.place import Record, noting, replica
from tests.replicas.play import Play
from tests.replicas.process import Replica
from tests.replicas.recorder import Recorder
from tests.replicas.upstream import PlayingUpstream
from tests.valkey_server import ValkeyServer, own_valkey

__all__ = ["own_valkey"]

READERS: Final = 4
WOKEN_S: Final = 0.1
"""Sooner than any look at the database that nobody woke comes, on the average of some."""
PAUSE_S: Final = 0.3


@dataclass(slots=True)
class Pair:
    """Two replicas of one database, one client of each."""

    writer: Replica
    reader: Replica
    here: httpx.AsyncClient
    there: httpx.AsyncClient
    upstream: PlayingUpstream


@asynccontextmanager
async def pair(url: str, valkey: ValkeyServer, folder: Path) -> AsyncGenerator[Pair]:
    options = {"GATEWAY_VALKEY_URL": valkey.url}
    async with (
        PlayingUpstream() as upstream,
        replica(url, folder, upstream, folder, "writer", **options) as (writer, here),
        replica(url, folder, upstream, folder, "reader", **options) as (reader, there),
    ):
        yield Pair(writer, reader, here, there, upstream)


async def follow(place: Pair, recorder: Recorder, play: Play) -> None:
    """Send at one replica, leave at once, and read everything on the other."""
    sending = asyncio.create_task(recorder.send(place.here, play))
    await recorder.until(lambda: bool(recorder.run_id), seconds=30)
    sending.cancel()
    await asyncio.wait({sending})
    await recorder.follow([place.there], seconds=90)


async def stalls(place: Pair, count: int) -> list[float]:
    """Give how long each event of a slow run takes from the upstream's hand to a reader of the other replica."""
    recorder = await Recorder.create(place.there)
    await follow(place, recorder, Play(chunks=count, pace_ms=int(PAUSE_S * 1000)))
    frames = [frame for reading in recorder.readings for frame in reading.frames if frame.type == "message.delta"]
    gaps = [after.at - before.at for before, after in itertools.pairwise(frames)]
    return [abs(gap - PAUSE_S) for gap in gaps]


async def woken(place: Pair, since: float) -> float:
    """Wait until readers are woken again and not only look now and then; give the seconds since."""
    while time.monotonic() - since < 60:
        found = await stalls(place, 4)
        if len(found) >= 2 and max(found) < WOKEN_S:
            return time.monotonic() - since
    raise TimeoutError


async def go_through(place: Pair, valkey: ValkeyServer, names: Sequence[str], seconds: float, record: Record) -> None:
    """Let readers follow through the named faults, one after the other."""
    faults: Mapping[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "hung": (valkey.hang, valkey.resume),
        "flushed": (valkey.flush, lambda: None),
        "stopped": (valkey.stop, valkey.start),
    }
    recorders = [await Recorder.create(place.here) for _ in range(READERS)]
    play = Play(chunks=int((len(names) * seconds + 3) * 20), pace_ms=50)
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for recorder in recorders:
            group.create_task(follow(place, recorder, play))
        await asyncio.gather(*(one.until(lambda one=one: one.seen > 5, seconds=30) for one in recorders))
        shown: dict[str, list[int]] = {}
        for name in names:
            begin, end = faults[name]
            at = time.monotonic()
            await asyncio.to_thread(begin)
            await asyncio.sleep(seconds)  # the length of the fault is what is asked about
            shown[name] = [shown_since(recorder, at) for recorder in recorders]
            assert not any(recorder.over for recorder in recorders)
            await asyncio.to_thread(end)
        ended = time.monotonic()
        recovery = await woken(place, ended)
    lags = {one.log.stem: await lag_of(one, begun, time.monotonic()) for one in (place.writer, place.reader)}
    figures = await check_history(recorders, place.there)
    record("shown_meanwhile", shown)
    record("recovery_s", round(recovery, 2))
    record("lag_ms", lags)
    record("history", figures)
    # By looking at the database, once a second until the server is known to be gone.
    assert min(count for counts in shown.values() for count in counts) >= seconds / 2
    assert (figures.events_lost, figures.events_changed, figures.undurable_seen) == (0, 0, 0)
    assert figures.ends == {"run.completed": READERS}
    assert recovery < RECOVERY_LIMIT_S
    assert max(lag.p99 for lag in lags.values()) < LAG_LIMIT_MS
    assert place.writer.errors() == place.reader.errors() == []


async def test_readers_lose_nothing_when_it_stops(
    postgres_url: str, own_valkey: ValkeyServer, tmp_path: Path, record_property: Record
) -> None:
    async with pair(postgres_url, own_valkey, tmp_path) as place:
        await go_through(place, own_valkey, ["stopped"], 1.5, noting(record_property))


@pytest.mark.prove
@pytest.mark.timeout(180)
async def test_readers_lose_nothing_when_it_hangs_is_flushed_and_stops(
    postgres_url: str, own_valkey: ValkeyServer, tmp_path: Path, record_property: Record
) -> None:
    async with pair(postgres_url, own_valkey, tmp_path) as place:
        await go_through(place, own_valkey, ["hung", "flushed", "stopped"], 10.0, noting(record_property))
