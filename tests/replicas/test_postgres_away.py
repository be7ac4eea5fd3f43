"""PostgreSQL that drops everything in the middle, again and again, and one that a commit never hears from."""

import asyncio
import time
from pathlib import Path
from typing import Final

import pytest

from tests.replicas.history import check_history
from tests.replicas.load import Load, spilled, undurable
from tests.replicas.measuring import LAG_LIMIT_MS, RECOVERY_LIMIT_S, lag_of
from tests.replicas.own_postgres import OwnPostgres, own_postgres
from tests.replicas.place import Place, Record, gateway, noting
from tests.replicas.play import Play

__all__ = ["own_postgres"]

BETWEEN_S: Final = 1.0
"""From one crash to the next: long enough that everybody has begun something new."""
REFUSALS: Final = {"503 storage_unavailable", "409 conversation_busy"}
"""Busy is a conversation whose message was refused in the moment of its commit: until the house-keeping comes by."""


@pytest.fixture
def record(record_property: Record) -> Record:
    return noting(record_property)


async def crash(place: Place, postgres: OwnPostgres, times: int, record: Record) -> None:
    """Let 5 clients send, and 2 more stream, while the server is restarted in the middle of everything."""
    async with Load([place.http]) as load:
        await load.stream(Play(chunks=times * 45 + 25, pace_ms=50), 2)
        await load.send_all_the_time(5, Play(chunks=20, pace_ms=20))
        begun = time.monotonic()
        for _ in range(times):
            await asyncio.sleep(BETWEEN_S)  # the pace of the faults
            await asyncio.to_thread(postgres.crash_and_start)
        ended = time.monotonic()
        recovery = await load.recovered(ended, place.spill)
        await load.finish(seconds=60)
        lag = await lag_of(place.replica, begun, time.monotonic())
        figures = await check_history(load.recorders, place.http, seconds=40)
        kept = await load.refused_but_kept()
    refusals = load.refusals()
    record("fault_s", round(ended - begun, 1))
    record("recovery_s", round(recovery, 2))
    record("lag_ms", lag)
    record("not_durable", list(undurable(load.recorders)))
    record("refusals", dict(refusals))
    record("refused_but_kept", len(kept))
    record("history", figures)
    assert refusals.keys() <= REFUSALS
    assert (figures.events_lost, figures.undurable_lost, figures.runs_not_terminal) == (0, 0, 0)
    assert figures.ends.keys() <= {"run.completed", "run.interrupted"}
    # Only what was never acknowledged may have come to nothing.
    assert figures.ends["run.interrupted"] <= len(kept) <= times * 5
    assert spilled(place.spill) == []
    assert recovery < RECOVERY_LIMIT_S
    assert lag.p99 < LAG_LIMIT_MS
    assert place.replica.errors() == []


async def test_a_crash_of_the_server_loses_nothing(own_postgres: OwnPostgres, tmp_path: Path, record: Record) -> None:
    async with gateway(own_postgres.url, tmp_path) as place:
        await crash(place, own_postgres, 1, record)


@pytest.mark.prove
@pytest.mark.timeout(240)
async def test_ten_crashes_of_the_server_lose_nothing(
    own_postgres: OwnPostgres, tmp_path: Path, record: Record
) -> None:
    async with gateway(own_postgres.url, tmp_path) as place:
        await crash(place, own_postgres, 10, record)
