"""Whole transactions on SQLite as one visit to the driver's thread."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar, cast, final

from sqlalchemy import Connection, Engine, Executable, StaticPool, create_engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from app.db.direct import DirectResult, DirectStatements, Parameters, is_direct
from app.db.engine import BUSY_SECONDS
from app.db.failures import failures
from app.db.insist import LOOK, insist

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
    """The connection of all writers: transactions that its own thread runs from their BEGIN to their COMMIT.

    With two of them each would read anew, after every commit of the other, what it has in its cache.

    A job is written like any other query, `async` and with an `AsyncSession`; here its session never has to wait, so
    the whole of it is one piece of work. Asking the thread for each statement costs more than the statements do.
    """

    def __init__(self, connect: Callable[[], Awaitable[AsyncConnection]], options: Mapping[str, Any]) -> None:
        """Take what opens the connection, with the first job, and the options of its engine."""
        self._connect = connect
        self._options = options
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self._engine: Engine | None = None
        self._statements: DirectStatements | None = None

    async def driver(self) -> Any:  # noqa: ANN401 - an aiosqlite connection, which has no types for what is asked of it
        """Give the driver's connection, opened with the first use, for who holds the turn to write.

        What is done with it is a whole transaction, in one visit to its thread, whose first statement is insisted on.
        Raises what the driver raises.
        """
        if self._driver is None:
            if self._connection is None:
                self._connection = await self._connect()
            driver: Any = (await self._connection.get_raw_connection()).driver_connection
            async with driver.execute(LOOK):  # an open cursor would stand in the way of the library
                pass
            self._driver = driver
        return self._driver

    async def run(self, jobs: Sequence[Job[Any]]) -> Sequence[Outcome]:
        """Run jobs in one transaction, and give their outcomes: what one raises undoes that one alone.

        The caller holds the turn to write.
        """
        try:
            driver = await self.driver()
            return await driver._execute(self._visit, driver._conn, jobs)  # noqa: SLF001 - the driver's way into its thread, as SQLAlchemy's own does
        except Exception as failure:  # noqa: BLE001 - whoever asked gets it
            return [Outcome(failure=failure)] * len(jobs)

    def _visit(self, raw: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> Sequence[Outcome]:
        engine = self._engine_over(raw)
        if self._statements is None:
            self._statements = DirectStatements(engine.dialect)
        visit = _Visit(raw, engine, self._statements)
        outcomes: list[Outcome] = []
        try:
            insist(partial(raw.execute, "BEGIN IMMEDIATE"), BUSY_SECONDS)
            for job in jobs:
                outcomes.append(visit.run(job, alone=len(jobs) == 1))
                # A full disk, for one, ends the whole transaction; the next job would begin another one.
                if not raw.in_transaction:
                    raise outcomes[-1].failure or sqlite3.OperationalError(_GONE)  # noqa: TRY301 - leaves the block, which then commits nothing
            if len(jobs) > 1 or outcomes[0].failure is None:
                raw.execute("COMMIT")
        except Exception as failure:  # noqa: BLE001 - whoever asked gets it
            lost = Outcome(failure=failure)
            kept = [lost if each.failure is None else each for each in outcomes]
            return kept + [lost] * (len(jobs) - len(kept))
        finally:
            visit.close()
        return outcomes

    def _engine_over(self, raw: sqlite3.Connection) -> Engine:
        if self._engine is None:
            self._engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool, **self._options)
            self._engine.connect().close()  # the first time it looks around, and rolls back what is open
        return self._engine

    async def close(self) -> None:
        """Close the connection; the next one who writes opens another."""
        connection, self._connection, self._driver = self._connection, None, None
        self._engine = self._statements = None
        if connection is None:
            return
        # A thread that still waits for the disk does not hold up the end of the process.
        with suppress(*failures()):
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.invalidate()
                await connection.close()


@final
class _Visit:
    """One transaction; its statements need no library, and one is there for those that do."""

    def __init__(self, raw: sqlite3.Connection, engine: Engine, statements: DirectStatements) -> None:
        self._raw = raw
        self._engine = engine
        self._statements = statements
        self._connection: Connection | None = None

    def run(self, job: Job[Any], *, alone: bool) -> Outcome:
        """Run one job; what it raises undoes what it did, which is everything where it is `alone`."""
        session = _AtOnce(self)
        try:
            if not alone:
                self._raw.execute("SAVEPOINT job")
            value = _at_once(job(cast("AsyncSession", session)))
            session.end()
            if not alone:
                self._raw.execute("RELEASE job")
        except Exception as failure:  # noqa: BLE001 - whoever asked gets it
            session.drop()
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK" if alone else "ROLLBACK TO job")
            return Outcome(failure=failure)
        return Outcome(value=value)

    def execute(self, statement: Executable, parameters: Parameters | Sequence[Parameters]) -> DirectResult:
        return self._statements.run(self._raw, statement, parameters)

    def connection(self) -> Connection:
        """Give the library's connection in this very transaction."""
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.begin()  # sends nothing: there is a transaction
        return self._connection

    def session(self) -> Session:
        return Session(self.connection(), expire_on_commit=False, join_transaction_mode="create_savepoint")

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        """Undo what is not committed."""
        if self._connection is not None:
            self._connection.close()
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")


def _at_once(coroutine: Awaitable[T]) -> T:
    """Run a coroutine that never has to wait."""
    running: Any = coroutine
    try:
        running.send(None)
    except StopIteration as end:
        return end.value
    running.close()
    raise RuntimeError(_MISUSED)


@final
class _AtOnce:
    """What queries use of an `AsyncSession`, for a job whose statements never have to wait."""

    def __init__(self, visit: _Visit) -> None:
        self._visit = visit
        self._opened: Session | None = None

    @property
    def _session(self) -> Session:
        if self._opened is None:
            self._opened = self._visit.session()
        return self._opened

    def end(self) -> None:
        """Keep what was done."""
        if self._opened is not None:
            self._opened.commit()
            self._opened.close()

    def drop(self) -> None:
        """Let go of what was done."""
        if self._opened is not None:
            self._opened.close()

    def add(self, row: object) -> None:
        self._session.add(row)

    def get_bind(self) -> Engine:
        return self._visit.engine

    async def flush(self) -> None:
        self._session.flush()

    async def execute(self, statement: Any, parameters: Any = None, **options: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        if is_direct(statement):
            return self._visit.execute(statement, parameters or {})
        return self._session.execute(statement, parameters, **options)

    async def scalar(self, statement: Any, parameters: Any = None, **options: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        if is_direct(statement):
            return next(iter(self._visit.execute(statement, parameters or {}).scalars()), None)
        return self._session.scalar(statement, parameters, **options)

    async def scalars(self, statement: Any, parameters: Any = None, **options: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        if is_direct(statement):
            return self._visit.execute(statement, parameters or {}).scalars()
        return self._session.scalars(statement, parameters, **options)

    async def get(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        return self._session.get(*args, **options)
