"""Brings a database to the newest schema, and tells whether it is there."""

import asyncio
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import connect_url, sqlite_path
from app.db.failures import FAILURES
from app.errors import ConfigError, StorageUnavailable

URL_ATTRIBUTE: Final = "database_url"
"""Where `migrations/env.py` finds the URL: an attribute, as alembic's options would expand `%` in a password."""


def upgrade(url: str) -> None:
    """Run every migration that is missing. Starts its own event loop, so call it from a thread without one.

    Two processes may do it at once, one waits for the other. Raises `ConfigError` for a bad URL or a database that
    another version has migrated, and `StorageUnavailable` when the database fails; then nothing has changed.
    """
    make_file(url)
    try:
        command.upgrade(migration_config(url), "head")
    except CommandError:
        message = "GATEWAY_DATABASE_URL: these tables are of another version; run that one, or a newer one."
        raise ConfigError(message) from None
    except FAILURES as failure:
        message = f"The database could not be migrated ({_reason(failure)}); it is as it was."
        raise StorageUnavailable(message, action="Mend that and migrate again.") from None


def make_file(url: str) -> None:
    """Make a SQLite file that is not there yet, for its owner alone; what SQLite puts beside it takes its mode.

    Nothing else makes one: opening a database that is missing fails.
    """
    path = sqlite_path(url)
    if path is not None:
        # Where this fails, the migration says why.
        with suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


async def current_revision_is_head(session: AsyncSession) -> bool:
    """Tell whether the schema is the one this version was written for."""
    head = await asyncio.to_thread(_head)
    connection = await session.connection()
    return await connection.run_sync(_revision) == head


async def is_migrated_further(session: AsyncSession) -> bool:
    """Tell whether a newer version has migrated: a process of this one can go on, as migrations leave what it needs."""
    known = await asyncio.to_thread(_known)
    connection = await session.connection()
    found = await connection.run_sync(_revision)
    return found is not None and found not in known


def _reason(failure: Exception) -> str:
    """Give the database's own sentence: what a migration runs into is a table or a lock, never what a user wrote."""
    cause = failure.orig if isinstance(failure, StatementError) and failure.orig is not None else failure
    return str(cause).partition("\n")[0].rpartition(">: ")[2]


def migration_config(url: str | None = None) -> Config:
    """Give alembic's configuration for this package; with a URL, for that database."""
    config = Config()
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if url is not None:
        connect_url(url)
        config.attributes[URL_ATTRIBUTE] = url
    return config


def _migrations() -> Path:
    package = Path(__file__).resolve().parents[1]
    # Inside the package where it is installed, beside it in a checkout.
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    message = "The migrations are missing from this installation."
    raise ConfigError(message)


@cache
def _head() -> str | None:
    """Read it once: the scripts of a running version do not change."""
    return ScriptDirectory.from_config(migration_config()).get_current_head()


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(migration_config()).walk_revisions())


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
