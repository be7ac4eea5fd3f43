"""`llm-gateway keys`: the master keys that seal the users' provider keys."""

import click

from app.cli.common import print_table, with_vault


@click.group()
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

    found = with_vault(key_status)
    rows = [("MASTER KEY", "ROWS", "")]
    for kid, count in found.rows.items():
        note = "writes" if kid == found.current else "unknown: give the key back" if kid in found.unknown else ""
        rows.append((kid, str(count), note))
    print_table(rows)


@keys.command()
def rotate() -> None:
    """Seal every stored provider key anew with the first master key; safe to stop and to repeat."""
    from app.keys import rotate_credentials

    report = with_vault(rotate_credentials)
    click.echo(f"{report.resealed} sealed anew, {report.overtaken} changed meanwhile, {report.unreadable} unreadable")
