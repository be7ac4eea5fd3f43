"""Whole transactions on SQLite as one visit to the driver's thread."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast, final

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from app.db.failures import failures

CLOSE_SECONDS: Final = 1.0
T = TypeVar("T")
Job = Callable[[AsyncSession], Awaitable[T]]
_MISUSED: Final = "a job may wait for its session only"
_GONE: Final = "SQLite has given the transaction up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job gave, or what it raised; then nothing of it is kept."""

    value: Any = None
    failure: Exception | None = None


@final
class Visits:
    """A connection for jobs: transactions that the connection's own thread runs from their BEGIN to their COMMIT.

    A job is written like any other query, `async` and with an `AsyncSession`; here its session never has to wait, so
    the whole of it is one piece of work. Asking the thread for each statement costs more than the statements do.
    """

    def __init__(self, connect: Callable[[], Awaitable[AsyncConnection]], options: Mapping[str, Any]) -> None:
        """Take what opens the connection, with the first job, and the options of its engine."""
        self._connect = connect
        self._options = options
        self._connection: AsyncConnection | None = None
        self._engine: Engine | None = None

    async def run(self, jobs: Sequence[Job[Any]]) -> Sequence[Outcome]:
        """Run jobs in one transaction, and give their outcomes: what one raises undoes that one alone.

        The caller holds the turn to write.
        """
        try:
            if self._connection is None:
                self._connection = await self._connect()
            driver: Any = (await self._connection.get_raw_connection()).driver_connection
            return await driver._execute(self._visit, driver._conn, jobs)  # noqa: SLF001 - the driver's way into its thread, as SQLAlchemy's own does
        except Exception as failure:  # noqa: BLE001 - whoever asked gets it
            return [Outcome(failure=failure)] * len(jobs)

    def _visit(self, raw: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> Sequence[Outcome]:
        engine = self._engine_over(raw)
        if len(jobs) == 1:
            return [_outcome(Session(engine, expire_on_commit=False), jobs[0])]
        outcomes: list[Outcome] = []
        try:
            with engine.begin() as connection:
                for job in jobs:
                    own = Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
                    outcomes.append(_outcome(own, job))
                    # A full disk, for one, ends the whole transaction; the next job would begin another one.
                    if not raw.in_transaction:
                        raise outcomes[-1].failure or sqlite3.OperationalError(_GONE)  # noqa: TRY301 - leaves the block, which then commits nothing
        except Exception as failure:  # noqa: BLE001 - whoever asked gets it
            lost = Outcome(failure=failure)
            kept = [lost if each.failure is None else each for each in outcomes]
            return kept + [lost] * (len(jobs) - len(kept))
        return outcomes

    def _engine_over(self, raw: sqlite3.Connection) -> Engine:
        if self._engine is None:
            self._engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool, **self._options)
            event.listen(self._engine, "begin", _begin)
        return self._engine

    async def close(self) -> None:
        """Close the connection; the next job opens another one."""
        connection, self._connection, self._engine = self._connection, None, None
        if connection is None:
            return
        # A thread that still waits for the disk does not hold up the end of the process.
        with suppress(*failures()):
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.invalidate()
                await connection.close()


def _outcome(session: Session, job: Job[Any]) -> Outcome:
    try:
        with session, session.begin():
            session.connection()
            return Outcome(value=_at_once(job(cast("AsyncSession", _AtOnce(session)))))
    except Exception as failure:  # noqa: BLE001 - whoever asked gets it
        return Outcome(failure=failure)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _at_once(coroutine: Awaitable[T]) -> T:
    """Run a coroutine that never has to wait."""
    running: Any = coroutine
    try:
        running.send(None)
    except StopIteration as end:
        return end.value
    running.close()
    raise RuntimeError(_MISUSED)


class _AtOnce:
    """What queries use of an `AsyncSession`, over a session that is there at once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: object) -> None:
        self._session.add(row)

    def get_bind(self) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        return self._session.get_bind()

    async def flush(self) -> None:
        self._session.flush()

    async def execute(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        return self._session.execute(*args, **options)

    async def scalar(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        return self._session.scalar(*args, **options)

    async def scalars(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        return self._session.scalars(*args, **options)

    async def get(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        return self._session.get(*args, **options)
