"""The command `llm-gateway`. Each command imports what it needs when it runs, so that help and mistakes are instant."""

from typing import Any, Final

import click
from typing_extensions import override

from app.cli.common import EXIT_FAILURE, print_table, read_settings
from app.cli.doctor import doctor
from app.cli.import_voyage import import_voyage
from app.cli.keys import keys
from app.cli.lean import lean_imports
from app.cli.prompt import prompt
from app.cli.tokens import tokens
from app.errors import ConfigError, GatewayError

EXIT_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h: nothing gets better by starting it again."""
EXIT_INTERRUPTED: Final = 130


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


main.add_command(doctor)
main.add_command(import_voyage)
main.add_command(keys)
main.add_command(prompt)
main.add_command(tokens)


@main.command()
def dev() -> None:
    """Try it: this machine only, a demo model, nothing to set up."""
    with lean_imports():
        from app.dev import dev as run

    run()


@main.command()
def serve() -> None:
    """Serve in production."""
    with lean_imports():
        from app.serve import serve as run

    run(read_settings())


@main.command()
def migrate() -> None:
    """Bring the database to the tables of this version."""
    from app.upgrade import upgrade_database

    upgrade_database(read_settings())
    click.echo("The database has the tables of this version.")


@main.command()
def providers() -> None:
    """List the providers as they are configured here."""
    from app.providers.registry import build_registry

    rows = [("ID", "NAME", "DEFAULT MODEL", "WIRE", "KEY", "BASE URL")]
    for row in build_registry(read_settings().provider_tables).all():
        key = "retired" if row.retired else "yes" if row.needs_api_key else "no"
        rows.append((row.id, row.label, row.default_model or "-", row.wire.value, key, row.api_base or "the user's"))
    print_table(rows)


def _fail(ctx: click.Context, message: str, code: int) -> None:
    click.echo(f"llm-gateway: {message}", err=True)
    ctx.exit(code)
