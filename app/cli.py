"""The command `llm-gateway`. Each command imports what it needs when it runs, so that help and mistakes are instant."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from typing_extensions import override

from app.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    from app.db.session import Database
    from app.settings import Settings
    from app.vault import Vault

EXIT_FAILURE: Final = 1
EXIT_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h: nothing gets better by starting it again."""
EXIT_INTERRUPTED: Final = 130
_Result = TypeVar("_Result")


class _Commands(click.Group):
    """Turns what a person can put right into one line on stderr."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            _fail(ctx, str(error), getattr(error, "exit_code", EXIT_CONFIG))
        except GatewayError as error:
            _fail(ctx, error.sentence, EXIT_FAILURE)
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="voyage-llm-gateway", message="%(version)s")
def main() -> None:
    """One HTTP service between an application and every LLM provider.

    Settings are environment variables and one TOML file: docs/configuration.md.
    """


@main.command()
def dev() -> None:
    """Try it: this machine only, a demo model, nothing to set up."""
    from app.dev import dev as run

    run()


@main.command()
def serve() -> None:
    """Serve in production."""
    from app.serve import serve as run

    run(_settings())


@main.command()
def migrate() -> None:
    """Bring the database to the tables of this version."""
    from app.serve import upgrade_database

    upgrade_database(_settings())
    click.echo("The database has the tables of this version.")


@main.command()
def providers() -> None:
    """List the providers as they are configured here."""
    from app.providers.registry import build_registry

    rows = [("ID", "NAME", "DEFAULT MODEL", "WIRE", "KEY", "BASE URL")]
    for row in build_registry(_settings().provider_tables).all():
        key = "retired" if row.retired else "yes" if row.needs_api_key else "no"
        rows.append((row.id, row.label, row.default_model or "-", row.wire.value, key, row.api_base))
    _print_table(rows)


@main.group()
def keys() -> None:
    """The master keys that seal the users' provider keys."""


@keys.command()
def generate() -> None:
    """Print a new master key; a file with it is what GATEWAY_CREDENTIAL_KEYS_FILE names."""
    from app.vault import generate_key

    click.echo(generate_key())


@keys.command()
def status() -> None:
    """Count the stored provider keys for each master key."""
    from app.keys import key_status

    found = asyncio.run(_with_vault(key_status))
    rows = [("MASTER KEY", "ROWS", "")]
    for kid, count in found.rows.items():
        note = "writes" if kid == found.current else "unknown: give the key back" if kid in found.unknown else ""
        rows.append((kid, str(count), note))
    _print_table(rows)


@keys.command()
def rotate() -> None:
    """Seal every stored provider key anew with the first master key; safe to stop and to repeat."""
    from app.keys import rotate_credentials

    report = asyncio.run(_with_vault(rotate_credentials))
    click.echo(f"{report.resealed} sealed anew, {report.overtaken} changed meanwhile, {report.unreadable} unreadable")


def _settings() -> "Settings":
    from app.log import configure
    from app.settings import load_settings

    settings = load_settings()
    configure(settings.log_level, settings.log_format)
    return settings


async def _with_vault(work: "Callable[[Database, Vault], Awaitable[_Result]]") -> _Result:
    from datetime import UTC, datetime

    from app.db.key_checks import verify_key_checks
    from app.serve import open_database
    from app.settings import as_secret
    from app.vault import Vault

    settings = _settings()
    vault = Vault.from_config(as_secret(settings.credential_keys), as_secret(settings.field_encryption_key))
    async with open_database(settings.database_url) as database:
        async with database.write() as session:
            await verify_key_checks(session, vault.check_values(), datetime.now(UTC))
        return await work(database, vault)


def _fail(ctx: click.Context, message: str, code: int) -> None:
    click.echo(f"llm-gateway: {message}", err=True)
    ctx.exit(code)


def _print_table(rows: Iterable[tuple[str, ...]]) -> None:
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
