"""One process among those of its database: how it comes, keeps the house, and goes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.db import idempotency, replicas, runs
from app.db.session import Database
from app.entry import Entry
from app.runs import replica as replica_module
from app.runs.clock import Clock
from app.runs.hub import RunHub
from app.runs.replica import Replica
from app.wakeups import Wakeups
from tests.db.events import seqs
from tests.db.rows import NOON, begin, finish, new_conversation


@dataclass
class Time:
    """What the process reads its clocks as."""

    now: datetime = NOON

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now)


@dataclass
class House:
    database: Database
    time: Time
    replica: Replica

    async def beat(self, replica_id: str = "other") -> None:
        async with self.database.write() as session:
            await replicas.put_beat(session, replica_id=replica_id)

    async def beating(self) -> set[str]:
        async with self.database.read() as session:
            return set(await replicas.read_beats(session))

    async def run_of(self, owner: str | None) -> UUID:
        return (await begin(self.database, await new_conversation(self.database), owner=owner)).run_id

    async def status(self, run_id: UUID) -> str:
        async with self.database.read() as session:
            return (await runs.get_run(session, user_id="ann", run_id=run_id)).status


@pytest.fixture
async def house(postgres_url: str) -> AsyncIterator[House]:
    database, time = Database.open(postgres_url), Time()
    async with Wakeups() as wakeups:
        replica = Replica(database, RunHub(), wakeups, clock=time.clock())
        yield House(database, time, replica)
    await database.close()


async def test_a_clean_end_removes_the_row(house: House) -> None:
    await house.replica.open()
    assert house.replica.id in await house.beating()
    await house.replica.close()

    assert await house.beating() == set()


async def test_a_start_ends_what_nobody_has_in_hand_and_leaves_the_rest_its_lease(house: House) -> None:
    await house.beat("perhaps alive")
    left, perhaps = await house.run_of("gone"), await house.run_of("perhaps alive")

    await house.replica.open()
    await house.replica.close()

    assert [await house.status(one) for one in (left, perhaps)] == ["interrupted", "running"]


async def test_more_runs_than_one_part_are_all_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_module, "PART_RUNS", 2)
    left = [await house.run_of("gone") for _ in range(5)]

    await house.replica.open()
    await house.replica.close()

    assert {await house.status(run_id) for run_id in left} == {"interrupted"}


async def test_the_house_is_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old events and keys go, and a run of this process that it does not have in hand is ended."""
    monkeypatch.setattr(replica_module, "KEEP_HOUSE_S", 0.01)
    old = await house.run_of("other")
    claim = idempotency.Claim(key="k", fingerprint="f")
    last = Entry(1, "run.completed", b"{}")
    await finish(house.database, old, events=(last,), now=NOON)
    async with house.database.write() as session:
        await idempotency.put_claim(session, claim, user_id="ann", run_id=old, now=NOON)
    lost = await house.run_of(house.replica.id)
    house.time.now = NOON + timedelta(hours=24)
    await house.replica.open()
    assert await seqs(house.database, old) == [1], "kept for the whole day"

    house.time.now += timedelta(microseconds=1)
    async with asyncio.timeout(10):
        while await seqs(house.database, old) or await house.status(lost) == "running":  # noqa: ASYNC110 - rows set no event
            await asyncio.sleep(0.005)
    async with house.database.read() as session:
        found = await idempotency.find_claimed(
            session, replace(claim, fingerprint="other"), user_id="ann", now=NOON + timedelta(hours=1)
        )
    await house.replica.close()

    assert found is None
    assert await house.status(lost) == "interrupted"
    assert await seqs(house.database, lost) == [1]
