"""A process that is killed while its storage is away: what it has shown is in the spill file alone."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.replicas.breaking import LockedBy
from tests.replicas.history import check_history
from tests.replicas.load import Load, spilled, undurable
from tests.replicas.own_postgres import OwnPostgres, own_postgres
from tests.replicas.place import Place, Record, gateway, noting
from tests.replicas.play import Play

__all__ = ["own_postgres"]

STREAMS: Final = 3


async def kill(place: Place, away: Callable[[], object], back: Callable[[], object], record: Record) -> None:
    """Kill it while every stream has shown what only the file has; start it again when the storage is back."""
    async with Load([place.http]) as load:
        streams = await load.stream(Play(chunks=2_000, pace_ms=20), STREAMS)
        await asyncio.to_thread(away)
        for recorder in streams:
            await recorder.until(lambda recorder=recorder: next(undurable([recorder])) >= 10, seconds=30)
        await place.replica.kill()
        left = [file.stat().st_size for file in spilled(place.spill)]
        await asyncio.to_thread(back)
        await place.replica.start()
        await load.finish(seconds=60)
        marked = list(undurable(streams))
        figures = await check_history(streams, place.http)
    record("spilled_bytes", left)
    record("not_durable", marked)
    record("history", figures)
    assert len(left) == 1
    assert left[0] > 0
    assert min(marked) >= 10
    assert (figures.events_lost, figures.undurable_lost, figures.events_changed) == (0, 0, 0)
    # The end comes behind them all: the checker has seen to that.
    assert figures.ends == {"run.interrupted": STREAMS}
    assert spilled(place.spill) == []
    assert '"events_restored_from_spill"' in place.replica.log.read_text(encoding="utf-8")


@pytest.mark.prove
async def test_a_new_process_stores_what_a_killed_one_has_shown(
    sqlite_url: str, tmp_path: Path, record_property: Record
) -> None:
    async with gateway(sqlite_url, tmp_path) as place:
        with ExitStack() as stack:
            lock = LockedBy(Path(sqlite_url.removeprefix("sqlite:///")))
            await kill(place, lambda: stack.enter_context(lock), stack.close, noting(record_property))


@pytest.mark.prove
@pytest.mark.timeout(180)
async def test_a_new_process_stores_in_postgres_what_a_killed_one_has_shown(
    own_postgres: OwnPostgres, tmp_path: Path, record_property: Record
) -> None:
    async with gateway(own_postgres.url, tmp_path, GATEWAY_LEASE_SECONDS="2") as place:
        await kill(place, own_postgres.stop, own_postgres.start, noting(record_property))
