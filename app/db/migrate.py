"""Brings a database to the newest schema, and tells whether it is there."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import connect_url
from app.errors import ConfigError

URL_ATTRIBUTE: Final = "database_url"
"""Where `migrations/env.py` finds the URL: an attribute, as alembic's options would expand `%` in a password."""


def upgrade(url: str) -> None:
    """Run every migration that is missing. Starts its own event loop, so call it from a thread without one.

    Two processes may do it at once, one waits for the other. Raises `ConfigError` for a bad URL and the database's
    own errors otherwise.
    """
    command.upgrade(migration_config(url), "head")


async def current_revision_is_head(session: AsyncSession) -> bool:
    """Tell whether the schema is the one this version was written for."""
    head = await asyncio.to_thread(_head)
    connection = await session.connection()
    return await connection.run_sync(_revision) == head


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


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
