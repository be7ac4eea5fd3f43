"""A cursor that asks SQLite's thread once for each statement; the driver's own asks it four times."""

import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast, final

from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.util import await_only
from typing_extensions import override


@dataclass(slots=True)
class _Outcome:
    """What is left of a cursor that is closed already; has the names that SQLAlchemy asks for."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1
    rows: Sequence[Any] = field(default_factory=list[Any])

    def close(self) -> None:
        """Nothing is open."""


@final
class OneHopCursor(AsyncAdapt_aiosqlite_cursor):
    """Executes, fetches and closes in one go: under load each time that a thread is asked waits for its turn.

    See `docs/decisions/0014-one-hop-for-each-statement.md` for the figures.
    """

    __slots__ = ()

    _awaitable_cursor_close = False

    @override
    def _make_new_cursor(self, connection: Any) -> Any:
        return _Outcome()

    @override
    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    @override
    def execute(self, operation: Any, parameters: Any = None) -> Any:
        self._run("execute", operation, () if parameters is None else parameters)

    @override
    def executemany(self, operation: Any, seq_of_parameters: Any) -> Any:
        self._run("executemany", operation, seq_of_parameters)

    def _run(self, method: str, operation: str, parameters: Any) -> None:  # noqa: ANN401 - whatever a statement takes
        connection: Any = self._connection
        try:
            # The driver's way into its thread, for one function instead of one for each step.
            outcome = await_only(connection._execute(_in_thread, connection._conn, method, operation, parameters))  # noqa: SLF001 - as SQLAlchemy's own does
        except Exception as error:  # noqa: BLE001 - as the class above: it decides what each is
            self._adapt_connection._handle_exception(error)  # noqa: SLF001 - the base class's own  # pyright: ignore[reportPrivateUsage]  # see before
        self._cursor = outcome
        self._rows = deque(outcome.rows)


def _in_thread(connection: sqlite3.Connection, method: str, operation: str, parameters: Any) -> _Outcome:  # noqa: ANN401 - see above
    cursor = connection.cursor()
    try:
        getattr(cursor, method)(operation, parameters)
        rows = cursor.fetchall() if cursor.description else []
        return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid, cursor.arraysize, rows)
    finally:
        cursor.close()


@final
class OneHopConnection(AsyncAdapt_aiosqlite_connection):
    """A connection with such cursors."""

    __slots__ = ()

    _cursor_cls = OneHopCursor


def one_hop(connection: DBAPIConnection) -> DBAPIConnection:
    """Give the driver's connection, which then belongs to what is given, with such cursors."""
    theirs = cast("AsyncAdapt_aiosqlite_connection", connection)
    return cast("DBAPIConnection", OneHopConnection(theirs.dbapi, theirs.driver_connection))
