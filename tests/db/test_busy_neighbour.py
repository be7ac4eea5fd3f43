"""Another process that writes to the same SQLite file all the time."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.session import Database, Session

HOLD_S, FREE_S = 0.02, 0.0005
WRITES = 10


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class Neighbour(threading.Thread):
    """Holds the lock, and leaves it free for a moment now and then."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="neighbour")
        self._path = path
        self.enough = threading.Event()
        self.turns = 0

    def run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        while not self.enough.is_set():
            connection.execute("BEGIN IMMEDIATE")
            self.enough.wait(HOLD_S)
            connection.execute("COMMIT")
            self.turns += 1
            self.enough.wait(FREE_S)
        connection.close()


async def _in_a_block(database: Database) -> None:
    async with database.write() as session:
        await session.execute(text("SELECT 1"))


async def _in_a_job(database: Database) -> None:
    async def job(session: Session) -> None:
        await session.execute(text("SELECT 1"))

    await database.do(job)


@pytest.mark.parametrize("write", [_in_a_block, _in_a_job])
async def test_a_write_comes_in_beside_a_neighbour_that_hardly_ever_lets_go(
    database: Database, sqlite_url: str, write: Callable[[Database], Awaitable[None]]
) -> None:
    neighbour = Neighbour(Path(sqlite_url.removeprefix("sqlite:///")))
    neighbour.start()
    try:
        for _ in range(WRITES):
            await write(database)
    finally:
        neighbour.enough.set()
        await asyncio.to_thread(neighbour.join)

    assert 1 < neighbour.turns < WRITES * 40
