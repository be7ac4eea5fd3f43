"""What the commands share: reading the settings, opening the database, printing tables."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar

import click

if TYPE_CHECKING:
    from app.db.session import Database
    from app.settings import Settings
    from app.vault import Vault

EXIT_FAILURE: Final = 1
_Result = TypeVar("_Result")


def read_settings() -> "Settings":
    """Read the settings and set up the log; raises `ConfigError`."""
    from app.log import configure
    from app.settings import load_settings

    settings = load_settings()
    configure(settings.log_level, settings.log_format)
    return settings


def with_database(work: "Callable[[Database], Awaitable[_Result]]") -> _Result:
    """Do `work` with the operator's migrated database open; raises `ConfigError` or `StorageUnavailable`."""
    from app.serve import open_migrated

    settings = read_settings()

    async def run() -> _Result:
        async with open_migrated(settings.database_url) as database:
            return await work(database)

    return asyncio.run(run())


def with_vault(work: "Callable[[Database, Vault], Awaitable[_Result]]") -> _Result:
    """Do `work` with the database open and the master keys checked against it; raises as `with_database`."""
    from datetime import UTC, datetime

    from app.db.key_checks import verify_key_checks
    from app.errors import ConfigError
    from app.main import vault_of

    vault = vault_of(read_settings())
    if vault is None:
        message = "Neither GATEWAY_CREDENTIAL_KEYS nor FIELD_ENCRYPTION_KEY is set: set what the gateway runs with."
        raise ConfigError(message)

    async def checked(database: "Database") -> _Result:
        async with database.write() as session:
            await verify_key_checks(session, vault.check_values(), datetime.now(UTC))
        return await work(database, vault)

    return with_database(checked)


def print_table(rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows, the first one the heading, in aligned columns."""
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
