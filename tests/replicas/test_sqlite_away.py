"""SQLite that takes nothing for a while: locked by another process, or on a disk that is full."""

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.db.engine import BUSY_SECONDS
from tests.replicas.breaking import LockedBy, SmallDisk, small_disk
from tests.replicas.history import check_history
from tests.replicas.load import Load, shown_since, spilled, undurable
from tests.replicas.measuring import LAG_LIMIT_MS, RECOVERY_LIMIT_S, lag_of
from tests.replicas.place import Place, Record, gateway, noting
from tests.replicas.play import Play

PACE_MS = 50


@dataclass(slots=True)
class Fault:
    """What takes the file away, when it is given back, and whether events can be kept meanwhile."""

    begin: Callable[[], object]
    end: Callable[[], object]
    spills: bool = True


async def go_through(place: Place, fault: Fault, seconds: float, record: Record) -> None:
    """Stream and send while `fault` lasts, then see that nothing is missing and everything works again."""
    clients = [place.http]
    async with Load(clients) as load:
        # Some go on behind the fault, and some end within it.
        long = await load.stream(Play(chunks=int((seconds + 2) * 1000 / PACE_MS), pace_ms=PACE_MS), 5)
        await load.stream(Play(chunks=int(seconds * 600 / PACE_MS), pace_ms=PACE_MS), 2)
        await load.send_all_the_time(3)
        begun = time.monotonic()
        await asyncio.to_thread(fault.begin)
        await asyncio.sleep(seconds)  # the length of the fault is what is asked about
        shown = [shown_since(recorder, begun + 1.5) for recorder in long]
        there = spilled(place.spill)
        ended = time.monotonic()
        await asyncio.to_thread(fault.end)
        recovery = await load.recovered(ended, place.spill)
        await load.finish(seconds=60)
        lag = await lag_of(place.replica, begun, time.monotonic())
        late = [
            sum(not f.durable and f.at > ended + RECOVERY_LIMIT_S for r in one.readings for f in r.frames)
            for one in long
        ]
        figures = await check_history(load.recorders, place.http)
        kept = await load.refused_but_kept()
    refusals = load.refusals()
    marked = list(undurable(long))
    record("fault_s", round(ended - begun, 1))
    record("recovery_s", round(recovery, 2))
    record("lag_ms", lag)
    record("shown_meanwhile", shown)
    record("not_durable", marked)
    record("refusals", dict(refusals))
    record("history", figures)
    assert kept == []
    # Within less than the driver waits for a lock nobody is refused.
    # Whoever waits long enough for the lock is not refused at all.
    assert set(refusals) <= ({"503 storage_unavailable"} if seconds > BUSY_SECONDS else set())
    assert (figures.events_lost, figures.undurable_lost, figures.runs_not_terminal) == (0, 0, 0)
    assert dict(figures.ends) == {"run.completed": figures.runs}
    assert all(marked) == fault.spills == bool(there)
    assert not fault.spills or min(shown) > 0
    assert late == [0] * len(long)
    assert spilled(place.spill) == []
    assert recovery < RECOVERY_LIMIT_S
    assert lag.p99 < LAG_LIMIT_MS
    assert place.replica.errors() == [] or not fault.spills


async def locked(sqlite_url: str, folder: Path, seconds: float, record: Record) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    async with gateway(sqlite_url, folder) as place:
        with ExitStack() as stack:
            lock = LockedBy(file)
            await go_through(place, Fault(lambda: stack.enter_context(lock), stack.close), seconds, record)


async def full(template: Path, folder: Path, seconds: float, record: Record, *, spill: Path | None) -> None:
    """Fill the disk; events wait in `spill`, or on the same disk."""
    with small_disk(folder / "disk") as disk:
        file = disk.folder / "gateway.db"
        shutil.copyfile(template, file)
        async with gateway(f"sqlite:///{file}", folder, spill=spill or disk.folder) as place:
            fault = Fault(lambda: fill(disk), disk.free, spills=spill is not None)
            await go_through(place, fault, seconds, record)


def fill(disk: SmallDisk) -> None:
    assert disk.fill() > 1_000_000
    assert disk.room == 0


@pytest.fixture
def record(record_property: Record) -> Record:
    return noting(record_property)


async def test_a_lock_of_another_writer_loses_nothing(sqlite_url: str, tmp_path: Path, record: Record) -> None:
    await locked(sqlite_url, tmp_path, 2.5, record)


@pytest.mark.prove
@pytest.mark.timeout(180)
async def test_a_lock_of_ten_seconds_loses_nothing(sqlite_url: str, tmp_path: Path, record: Record) -> None:
    await locked(sqlite_url, tmp_path, 10.0, record)


@pytest.mark.prove
@pytest.mark.timeout(180)
async def test_a_full_disk_loses_nothing_where_events_wait_elsewhere(
    sqlite_template: Path, tmp_path: Path, record: Record
) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    await full(sqlite_template, tmp_path, 10.0, record, spill=spill)


@pytest.mark.prove
@pytest.mark.timeout(180)
async def test_a_full_disk_loses_nothing_where_events_cannot_wait_either(
    sqlite_template: Path, tmp_path: Path, record: Record
) -> None:
    await full(sqlite_template, tmp_path, 10.0, record, spill=None)
