"""kill -9 at random moments while five clients write: nothing that they saw is lost, and nothing stays stuck."""

import os
import random
from pathlib import Path

import pytest

from tests.replicas.pair import replicas_of
from tests.replicas.storm import STUCK_S, Storm


async def rage(url: str, folder: Path, *, replicas: int, moments: int) -> None:
    """Kill so often, and print what `TEST_SEED` repeats."""
    seed = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"TEST_SEED={seed}")  # noqa: T201 - shown with a failure
    async with replicas_of(url, folder, count=replicas) as pair:
        storm = Storm(pair, random.Random(seed))  # noqa: S311 - repeatable, no secret
        figures = await storm.rage(moments)
        errors = pair.unexplained()
    print(f"{figures}\nlive {storm.live}, cut {storm.cut}, again {storm.refused}, slowest {storm.slowest_s:.1f} s")  # noqa: T201 - see above

    assert (figures.events_lost, figures.events_changed, figures.runs_not_terminal) == (0, 0, 0)
    assert figures.runs >= 5
    assert min(figures.ends["run.interrupted"], storm.cut) >= moments // 2
    assert set(storm.refused) <= {None, 503}
    assert figures.settled_s < STUCK_S
    assert errors == []


async def test_a_kill_loses_nothing_and_a_restart_ends_what_it_left(sqlite_url: str, tmp_path: Path) -> None:
    await rage(sqlite_url, tmp_path, replicas=1, moments=1)


async def test_a_kill_loses_nothing_and_the_other_replica_ends_what_it_left(postgres_url: str, tmp_path: Path) -> None:
    await rage(postgres_url, tmp_path, replicas=2, moments=1)


@pytest.mark.prove
@pytest.mark.timeout(900)
async def test_twenty_five_kills_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    await rage(sqlite_url, tmp_path, replicas=1, moments=25)


@pytest.mark.prove
@pytest.mark.timeout(900)
async def test_twenty_five_kills_of_one_of_two_replicas(postgres_url: str, tmp_path: Path) -> None:
    await rage(postgres_url, tmp_path, replicas=2, moments=25)
