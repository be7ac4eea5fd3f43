"""Brings a database to the newest schema; the only importer of alembic, which nobody needs to serve."""

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import StatementError

from app.db.engine import connect_url, make_file
from app.db.failures import failures
from app.db.revision import migrations_folder
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
    except failures() as failure:
        message = f"The database could not be migrated ({_reason(failure)}); it is as it was."
        raise StorageUnavailable(message, action="Mend that and migrate again.") from None


def _reason(failure: Exception) -> str:
    """Give the database's own sentence: what a migration runs into is a table or a lock, never what a user wrote."""
    cause = failure.orig if isinstance(failure, StatementError) and failure.orig is not None else failure
    return str(cause).partition("\n")[0].rpartition(">: ")[2]


def migration_config(url: str | None = None) -> Config:
    """Give alembic's configuration for this package; with a URL, for that database."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if url is not None:
        connect_url(url)
        config.attributes[URL_ATTRIBUTE] = url
    return config
