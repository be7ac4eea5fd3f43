"""The database: short transactions for reading and for writing, and one way to fail."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.db.engine import BEGIN, open_engine
from app.db.failures import FAILURES, as_gateway_error

TURN_SECONDS = 20.0
"""How long a writer waits for those of its own process: a busy process is slow, its storage is not gone."""


@dataclass(frozen=True, slots=True)
class Database:
    """Owns the connections; `close` it. Use it from one event loop.

    A failing database shows as `StorageUnavailable` in `read` and `write`, a text that cannot be stored as
    `InvalidInput`; neither carries SQL or values.
    """

    _engine: AsyncEngine
    _readers: async_sessionmaker[AsyncSession]
    _writers: async_sessionmaker[AsyncSession]
    _turn: asyncio.Lock | None
    """SQLite has one writer: waiting in order here is fair, waiting at its file lock is not."""

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the operator's URL without connecting yet; raises `ConfigError` for one that cannot be used."""
        engine = open_engine(url)
        sqlite = engine.dialect.name == "sqlite"
        writing = engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
        reading = engine if sqlite else engine.execution_options(postgresql_readonly=True)
        return cls(
            engine,
            async_sessionmaker(reading, expire_on_commit=False),
            async_sessionmaker(writing, expire_on_commit=False),
            asyncio.Lock() if sqlite else None,
        )

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """Give a session that sees the database as it is; nothing done with it is kept."""
        async with _translated(), self._readers() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        """Give a session in a transaction, committed at the end of the block and rolled back by any error."""
        async with _translated(), self._in_turn(), self._writers() as session, session.begin():
            # Begins here and not at the first statement, so that a locked database fails before any work.
            await session.connection()
            yield session

    async def ping(self) -> None:
        """Ask for one value; raises `StorageUnavailable`."""
        async with self.read() as session:
            await session.execute(select(text("1")))

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _in_turn(self) -> AsyncGenerator[None]:
        if self._turn is None:
            yield
            return
        async with asyncio.timeout(TURN_SECONDS):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except (*FAILURES, UnicodeEncodeError) as failure:
        raise as_gateway_error(failure) from None
