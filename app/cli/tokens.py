"""`llm-gateway tokens`: the tokens with which other services call the gateway."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from app.auth.caller import Scope
from app.cli.common import print_table, with_database

if TYPE_CHECKING:
    from app.db.session import Database
    from app.secret import Secret
    from app.tokens import TokenFacts

DEFAULT_DAYS: Final = 365
MAX_DAYS: Final = 3650
_ID: Final = re.compile(r"[0-9A-Za-z]{8}")


@click.group()
def tokens() -> None:
    """The tokens with which other services call the gateway."""


@tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    default=[Scope.CHAT.value],
    show_default=True,
    help="What it may do; may be given more than once.",
)
@click.option("--user", help="Whose conversations and settings it sees.  [default: service:NAME]")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), help=f"How long it is valid.  [default: {DEFAULT_DAYS}]")
@click.option("--never-expires", is_flag=True, help="It is valid until it is revoked.")
def create(name: str, scopes: tuple[str, ...], user: str | None, days: int | None, *, never_expires: bool) -> None:
    """Make a token for the service NAME and print it, for the only time."""
    from app.errors import InvalidInput
    from app.tokens import create_token, revoke_token

    if getattr(sys, "stdout", None) is None:
        message = "Standard output is closed, and the token is shown only once."
        raise click.UsageError(message)
    if never_expires and days is not None:
        message = "--days and --never-expires exclude each other."
        raise click.UsageError(message)
    now = datetime.now(UTC)
    expires_at = None if never_expires else now + timedelta(days=days or DEFAULT_DAYS)

    async def work(database: "Database") -> "tuple[Secret, TokenFacts]":
        return await create_token(
            database,
            name=name,
            user_id=f"service:{name.strip()}" if user is None else user,
            scopes=frozenset(Scope(scope) for scope in scopes),
            expires_at=expires_at,
            now=now,
        )

    try:
        token, facts = with_database(work)
    except InvalidInput as wrong:
        raise click.UsageError(wrong.message) from None
    try:
        click.echo(token.reveal())
        sys.stdout.flush()
    except OSError:
        with_database(lambda database: revoke_token(database, facts.id, now=now))
        message = "The token could not be printed, so it was revoked."
        raise click.ClickException(message) from None
    click.echo(_hint(facts), err=True)


@tokens.command(name="list")
def list_() -> None:
    """List the tokens.

    Times are in UTC; the last use is up to an hour behind.
    """
    from app.tokens import list_tokens

    now = datetime.now(UTC)
    rows = [("ID", "NAME", "USER", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "STATE")]
    for facts in with_database(list_tokens):
        created, expires, used = (_time(moment) for moment in (facts.created_at, facts.expires_at, facts.last_used_at))
        scopes = ",".join(sorted(facts.scopes))
        rows.append((facts.id, facts.name, facts.user_id, scopes, created, expires, used, facts.state(now)))
    print_table(rows)


@tokens.command()
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """End the token with this ID, from the next request on."""
    from app.tokens import revoke_token

    if not _ID.fullmatch(token_id):
        message = "an id is the 8 letters and digits after vgw_; `llm-gateway tokens list` shows them."
        raise click.BadParameter(message, param_hint="ID")
    facts = with_database(lambda database: revoke_token(database, token_id, now=datetime.now(UTC)))
    click.echo(f"The token {facts.id} ({facts.name}) is revoked.")


def _hint(facts: "TokenFacts") -> str:
    until = f"valid until {_time(facts.expires_at)}" if facts.expires_at else "valid until it is revoked"
    lines = [
        f"Token {facts.id}, user {facts.user_id}, scopes {', '.join(sorted(facts.scopes))}, {until}.",
        "Keep it now: the gateway stores only its digest and cannot show it again.",
        "Send it as:  Authorization: Bearer <token>",
    ]
    if Scope.ACT_AS in facts.scopes:
        lines.append("Act for a user with:  X-On-Behalf-Of: <user id>")
    return "\n".join(lines)


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%MZ") if moment is not None else "-"
