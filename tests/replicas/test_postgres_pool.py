"""Fifty streams with two connections to PostgreSQL: none is held while somebody reads."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import connect_url
from tests.replicas.history import check_history
from tests.replicas.place import Record, gateway, noting
from tests.replicas.play import Play
from tests.replicas.reading import Ended
from tests.replicas.recorder import Recorder

POOL: Final = 2
STREAMS: Final = 50
LONG_S: Final = 1.0
_EVERY_S: Final = 0.02
_ASKED: Final = text(
    "SELECT count(*), coalesce(max(extract(epoch from clock_timestamp() - state_change))"
    " FILTER (WHERE state LIKE 'idle in transaction%'), 0)::float"
    " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"  # the server's own, such as autovacuum, are nobody's
)


@dataclass(slots=True)
class Seen:
    """What the server said about the gateway's connections while the block lasted."""

    looks: int = 0
    most: int = 0
    idle_in_transaction_s: float = 0.0


@asynccontextmanager
async def connections(url: str) -> AsyncGenerator[Seen]:
    seen, engine = Seen(), create_async_engine(connect_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")

    async def look() -> None:
        async with engine.connect() as connection:
            while True:
                count, idle_s = (await connection.execute(_ASKED)).one()
                seen.looks += 1
                seen.most = max(seen.most, count)
                seen.idle_in_transaction_s = max(seen.idle_in_transaction_s, idle_s)
                await asyncio.sleep(_EVERY_S)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        await asyncio.wait({looking})
        await engine.dispose()
    assert looking.cancelled()


@pytest.mark.prove
async def test_two_connections_are_enough(postgres_url: str, tmp_path: Path, record_property: Record) -> None:
    record = noting(record_property)
    async with gateway(postgres_url, tmp_path, GATEWAY_DATABASE_POOL=str(POOL)) as place:
        recorders = [await Recorder.create(place.http) for _ in range(STREAMS)]
        async with connections(postgres_url) as seen, asyncio.TaskGroup() as group:
            for recorder in recorders:
                group.create_task(recorder.send(place.http, Play(chunks=40, pace_ms=50, gate="all", at=20)))
            await place.upstream.reached("all", STREAMS, seconds=30)
            assert not any(recorder.over for recorder in recorders)
            place.upstream.open("all")
        figures = await check_history(recorders, place.http)
    record("connections", seen)
    record("history", figures)
    assert seen.looks > 20
    assert 0 < seen.most <= POOL
    assert seen.idle_in_transaction_s < LONG_S
    assert figures.readings == {Ended.DONE: STREAMS}
    assert figures.ends == {"run.completed": STREAMS}
    assert (figures.events_lost, figures.undurable_seen) == (0, 0)
    assert place.replica.errors() == []
