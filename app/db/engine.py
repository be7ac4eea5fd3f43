"""From the operator's database URL to an engine."""

import asyncio
import hashlib
import os
import re
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Dialect, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only
from typing_extensions import override

from app.db.insist import LOOK, insist
from app.db.sqlite_cursor import one_hop
from app.errors import ConfigError

BUSY_SECONDS: Final = 5.0
"""How long a SQLite writer waits for another one, in this process or outside."""
CONNECT_SECONDS: Final = 10.0
STATEMENT_SECONDS: Final = 15.0
IDLE_SECONDS: Final = 10.0
"""How long a transaction may do nothing: the locks of a process that is held would keep others from ending its runs."""
THREAD_SECONDS: Final = 1.0
POOL_WAIT_SECONDS: Final = 10.0
POOL_SIZE: Final = 10
BEGIN: Final = "gateway_begin"
"""Execution option that names SQLite's BEGIN statement."""
_POSTGRES: Final = frozenset({"postgresql", "postgres", "postgresql+asyncpg"})
_SQLITE: Final = frozenset({"sqlite", "sqlite+aiosqlite"})
_POSTGRES_OPTIONS: Final = frozenset({"host", "port", "ssl", "sslmode", "target_session_attrs"})
_OPTION_NAME: Final = re.compile(r"[a-z_]{1,40}")
BUSY_TIMEOUT: Final = f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}"
_SQLITE_PRAGMAS: Final = (
    BUSY_TIMEOUT,
    "PRAGMA journal_mode = WAL",
    # FULL: a stored message survives the loss of power, not only of the process.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


class UnknownOption(ConfigError):
    """A PostgreSQL URL has an option that is not taken."""

    def __init__(self, name: str) -> None:
        """Take the name, which is shown where it looks like one: a password that is written wrong ends up there too."""
        shown = f" {name!r}" if _OPTION_NAME.fullmatch(name) else ""
        self.complaint = f"unknown option{shown} in the URL; known are {', '.join(sorted(_POSTGRES_OPTIONS))}"
        super().__init__(f"GATEWAY_DATABASE_URL: {self.complaint}.")


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()


CODING: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "json_serializer": _dump,
        "json_deserializer": orjson.loads,
        # An error's text must never carry what a user wrote.
        "hide_parameters": True,
    }
)
"""What all engines have in common."""


def connect_url(url: str) -> URL:
    """Give the operator's URL with its async driver; raises `ConfigError` that never shows the URL.

    `sqlite:///relative`, `sqlite:////absolute`, `postgresql://user:password@host/name?sslmode=require`.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        message = "GATEWAY_DATABASE_URL: not a database URL."
        raise ConfigError(message) from None
    if parsed.drivername in _SQLITE:
        return _sqlite_url(parsed)
    if parsed.drivername in _POSTGRES:
        return _postgres_url(parsed)
    message = "GATEWAY_DATABASE_URL: must begin with sqlite:/// or postgresql://."
    raise ConfigError(message)


def sqlite_path(url: str) -> Path | None:
    """Give the file of a SQLite URL, None for PostgreSQL; raises `ConfigError` as `connect_url`."""
    target = connect_url(url)
    return Path(target.database or "") if target.get_backend_name() == "sqlite" else None


def make_file(url: str) -> None:
    """Make a SQLite file that is not there yet, for its owner alone; what SQLite puts beside it takes its mode.

    Nothing else makes one: opening a database that is missing fails.
    """
    path = sqlite_path(url)
    if path is not None:
        # Where this fails, the migration says why.
        with suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def database_label(url: str) -> str:
    """Give a short name that is the same for every way to write the URL of one database, and tells nothing of it."""
    target = connect_url(url)
    file = sqlite_path(url)
    place = str(file.resolve()) if file is not None else f"{target.host}:{target.port}/{target.database}"
    host = target.query.get("host", "")
    return hashlib.sha256(f"{place} {host}".encode()).hexdigest()[:12]


def open_engine(url: str, *, statement_s: float | None = STATEMENT_SECONDS, pool: int = POOL_SIZE) -> AsyncEngine:
    """Open an engine, which connects on first use; the caller disposes of it. Raises `ConfigError` for a bad URL.

    `statement_s` is what PostgreSQL may take for one statement, in seconds; None for as long as it takes. `pool` is
    the number of connections to it.
    """
    target = connect_url(url)
    common: dict[str, Any] = {**CODING, "pool_timeout": POOL_WAIT_SECONDS}
    if target.get_backend_name() == "sqlite":
        engine = create_async_engine(target, connect_args={"timeout": BUSY_SECONDS}, **common)
        event.listen(engine.sync_engine, "do_connect", _connect_sqlite)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    limits: dict[str, Any] = {"timeout": CONNECT_SECONDS, "command_timeout": statement_s}
    if statement_s is not None:
        idle = {"idle_in_transaction_session_timeout": f"{int(IDLE_SECONDS * 1000)}"}
        limits["server_settings"] = idle
    pooled: dict[str, Any] = {"pool_size": pool, "max_overflow": 0, "pool_pre_ping": True}
    return create_async_engine(target, connect_args=limits, **pooled, **common)


class _SqliteConnection(sqlite3.Connection):
    """Gives its locks back when it is closed, whoever still holds one of its cursors.

    SQLite keeps a closed connection, and its transaction, alive until its last statement is gone. After a cancelled
    write that is whenever the garbage collector comes by, and until then nobody else could write.
    """

    @override
    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


def _sqlite_url(parsed: URL) -> URL:
    if not parsed.database or parsed.database == ":memory:" or parsed.query or parsed.host:
        message = "GATEWAY_DATABASE_URL: sqlite needs the path of a file and no options (sqlite:///gateway.db)."
        raise ConfigError(message)
    return parsed.set(drivername="sqlite+aiosqlite")


def _postgres_url(parsed: URL) -> URL:
    unknown = sorted(set(parsed.query) - _POSTGRES_OPTIONS)
    if unknown:
        raise UnknownOption(unknown[0])
    if not parsed.database:
        message = "GATEWAY_DATABASE_URL: names no database."
        raise ConfigError(message)
    query = dict(parsed.query)
    if "sslmode" in query:
        # libpq's name for what asyncpg calls ssl.
        query["ssl"] = query.pop("sslmode")
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def _connect_sqlite(
    dialect: Dialect, _entry: ConnectionPoolEntry, arguments: tuple[Any, ...], options: dict[str, Any]
) -> DBAPIConnection:
    """Connect to a file that is there; after a failure, wait until the driver's thread is gone.

    It still reports to the loop when everybody has heard of the failure, and the loop may be closed by then.
    SQLite would make a missing file itself, empty and readable by everybody.
    """
    existing = f"{Path(arguments[0]).as_uri()}?mode=rw"
    threads: list[threading.Thread] = []

    def make(*args: Any, **kwargs: Any) -> sqlite3.Connection:  # noqa: ANN401 - sqlite3's own arguments, passed on
        threads.append(threading.current_thread())
        return _SqliteConnection(*args, **kwargs)

    try:
        return one_hop(dialect.connect(existing, *arguments[1:], **options, uri=True, factory=make))
    except BaseException:
        for thread in threads:
            await_only(asyncio.to_thread(thread.join, THREAD_SECONDS))
        raise


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # None stops the driver from opening transactions on its own idea of when; `_begin_sqlite` does it.
    # https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#sqlite-enabling-transactions
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    begin: str = options.get(BEGIN, "BEGIN")
    if begin == "BEGIN":
        connection.exec_driver_sql(begin)
        return
    cursor = connection.connection.cursor()
    cursor.execute(LOOK)
    try:
        insist(partial(cursor.execute, begin), BUSY_SECONDS)
    finally:
        cursor.execute(BUSY_TIMEOUT)
        cursor.close()
