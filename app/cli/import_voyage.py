"""`llm-gateway import-voyage`: what Voyage's own chat has stored, into the gateway's database."""

import asyncio
from typing import TYPE_CHECKING, Final

import click

from app.cli.common import EXIT_FAILURE, read_settings

if TYPE_CHECKING:
    from app.db.session import Database
    from app.settings import Settings
    from app.vault import Vault
    from app.voyage_import import ImportReport

MAX_BATCH: Final = 1000


@click.command(name="import-voyage")
@click.option(
    "--from",
    "source",
    required=True,
    envvar="VOYAGE_DATABASE_URL",
    show_envvar=True,
    metavar="URL",
    help="Voyage's database, postgresql://user:password@host/name. The variable keeps it out of the process list.",
)
@click.option("--dry-run", is_flag=True, help="Read and decrypt everything, print the same report, write nothing.")
@click.option(
    "--batch",
    type=click.IntRange(1, MAX_BATCH),
    show_default="a few hundred",
    help="How many conversations or keys are written in one transaction.",
)
def import_voyage(source: str, batch: int | None, *, dry_run: bool) -> None:
    """Import conversations, provider keys, AI settings and the system prompt from Voyage.

    Voyage's rows stay as they are. It is safe to stop, to repeat, and to run beside a running gateway.
    """
    import resource

    # A core file would hold opened keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    report = asyncio.run(_import(read_settings(), source, batch, dry_run=dry_run))
    click.echo("\n".join(report.lines()))
    if dry_run:
        click.echo("This was a dry run: nothing was written.", err=True)
    if report.left_out:
        names = ", ".join(report.left_out)
        message = (
            f"llm-gateway: Not imported, as this Voyage's tables are not those of the versions known here: {names}."
        )
        click.echo(message, err=True)
        click.get_current_context().exit(EXIT_FAILURE)


async def _import(settings: "Settings", source: str, batch: int | None, *, dry_run: bool) -> "ImportReport":
    from app.db.voyage_source import open_voyage
    from app.main import vault_of
    from app.providers.registry import build_registry
    from app.serve import open_migrated
    from app.voyage_import import Limits, import_voyage

    # Without a master key the gateway serves, so conversations can be imported without one.
    registry, vault = build_registry(settings.provider_tables), vault_of(settings)
    async with open_voyage(source) as voyage, open_migrated(settings.database_url) as database:
        if vault is not None:
            await _check(database, vault, keep=not dry_run)
        limits = Limits() if batch is None else Limits(rows=batch)
        return await import_voyage(voyage, database, vault=vault, registry=registry, limits=limits, dry_run=dry_run)


async def _check(database: "Database", vault: "Vault", *, keep: bool) -> None:
    """Raise `ConfigError` for master keys that this database does not know."""
    from datetime import UTC, datetime

    from app.db.key_checks import verify_key_checks

    async with database.write() as session:
        await verify_key_checks(session, vault.check_values(), datetime.now(UTC))
        if not keep:
            await session.rollback()
