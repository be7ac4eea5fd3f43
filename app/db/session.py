"""The database: short transactions for reading and for writing, and one way to fail."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from app.db.engine import BEGIN, CODING, POOL_SIZE, open_engine
from app.db.failures import as_gateway_error, failures
from app.db.job_queue import JobQueue
from app.db.turn import Turn
from app.db.visit import Job, T, Visits

Session = AsyncSession
"""What `read` and `write` give, for those above who may not import SQLAlchemy."""
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
    _turn: Turn | None
    """None for PostgreSQL, which has many writers."""
    _jobs: JobQueue | None

    @classmethod
    def open(cls, url: str, *, pool: int = POOL_SIZE) -> Self:
        """Open the operator's URL without connecting yet; raises `ConfigError` for one that cannot be used.

        `pool` is the number of connections to PostgreSQL.
        """
        engine = open_engine(url, pool=pool)
        sqlite = engine.dialect.name == "sqlite"
        writing = engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
        reading = engine if sqlite else engine.execution_options(postgresql_readonly=True)
        turn = Turn() if sqlite else None
        return cls(
            engine,
            async_sessionmaker(reading, expire_on_commit=False),
            async_sessionmaker(writing, expire_on_commit=False),
            turn,
            JobQueue(turn, Visits(engine.connect, CODING)) if turn is not None else None,
        )

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """Give a session that sees the database as it is; nothing done with it is kept."""
        async with _translated(), self._readers() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        """Give a session in a transaction, committed at the end of the block and rolled back by any error."""
        async with _translated(), self.turn(), self._writers() as session, session.begin():
            # Begins here and not at the first statement, so that a locked database fails before any work.
            await session.connection()
            yield session

    @property
    def shared(self) -> bool:
        """Whether other processes may use this database too."""
        return self._turn is None

    async def connect(self) -> AsyncConnection:
        """Give a connection for the caller to close, and to write with in its `turn` only."""
        return await self._engine.connect()

    @property
    def visits(self) -> Visits | None:
        """SQLite's one connection for writing, for who holds the `turn`; None for PostgreSQL."""
        return None if self._jobs is None else self._jobs.visits

    async def do(self, job: Job[T], *, seconds: float = TURN_SECONDS) -> T:
        """Run `job` in a transaction of its own and give what it gives; what it raises undoes everything.

        The same as a block of `write`, for a job that waits for nothing but its session: on SQLite it is one piece of
        work of one thread, and one transaction with the jobs that wait beside it: each is kept or undone by itself.
        """
        async with _translated():
            if self._jobs is None:
                async with self._writers() as session, session.begin():
                    return await job(session)
            return await self._jobs.run(job, seconds)

    async def ping(self) -> None:
        """Ask for one value; raises `StorageUnavailable`."""
        async with self.read() as session:
            await session.execute(select(text("1")))

    async def close(self) -> None:
        """Close every connection."""
        if self._jobs is not None:
            await self._jobs.close()
        await self._engine.dispose()

    @asynccontextmanager
    async def turn(self, seconds: float = TURN_SECONDS, *, first: bool = False) -> AsyncGenerator[None]:
        """Hold this process's right to write, `first` of all who wait for it.

        Raises `TimeoutError`, which is an `OSError`, after `seconds`.
        """
        if self._turn is None:
            yield
            return
        async with self._turn.hold(seconds, first=first):
            yield


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except (*failures(), UnicodeEncodeError) as failure:
        raise as_gateway_error(failure) from None
