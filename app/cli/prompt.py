"""`llm-gateway prompt`: what every model is told before a conversation."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from app.cli.common import with_database

if TYPE_CHECKING:
    from app.db.session import Database

_UTF_8_BYTES: Final = 4
"""What one character takes at most."""
_FROM_NOW_ON: Final = "from the next message on, without a restart"


@click.group()
def prompt() -> None:
    """The system prompt: what every model is told before a conversation."""


@prompt.command()
def show() -> None:
    """Print the prompt that holds now; whose it is stands on stderr."""
    from app.db.prompts import find_prompt
    from app.runs.prompt import BUILT_IN_PROMPT

    async def work(database: "Database") -> str | None:
        async with database.read() as session:
            return await find_prompt(session)

    own = with_database(work)
    click.echo(own or BUILT_IN_PROMPT)
    click.echo("This is your own prompt." if own else "This is the built-in prompt.", err=True)


@prompt.command(name="set")
@click.option(
    "--file", "source", type=click.File("rb"), default="-", metavar="PATH", help="UTF-8.  [default: standard input]"
)
def set_(source: BinaryIO) -> None:
    """Replace the built-in prompt by your own."""
    from app.db.prompts import MAX_CHARS, put_prompt

    if source.isatty():
        click.echo("Type the prompt; Ctrl-D on a line of its own ends it.", err=True)
    text = _read(source, MAX_CHARS)

    async def work(database: "Database") -> None:
        async with database.write() as session:
            await put_prompt(session, text=text, now=datetime.now(UTC))

    with_database(work)
    click.echo(f"Your prompt of {len(text)} characters holds {_FROM_NOW_ON}.")


@prompt.command()
def reset() -> None:
    """Go back to the built-in prompt."""
    from app.db.prompts import delete_prompt

    async def work(database: "Database") -> None:
        async with database.write() as session:
            await delete_prompt(session)

    with_database(work)
    click.echo(f"The built-in prompt holds {_FROM_NOW_ON}.")


def _read(source: BinaryIO, max_chars: int) -> str:
    """Give the text without blanks around it; raises `UsageError` for one that cannot be a prompt."""
    max_bytes = _UTF_8_BYTES * (max_chars + 1)
    raw = source.read(max_bytes + 1)
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").strip() if len(raw) <= max_bytes else None
    except UnicodeDecodeError as error:
        message = f"The prompt is not UTF-8 at byte {error.start}."
        raise click.UsageError(message) from None
    if text is None or len(text) > max_chars:
        message = f"A prompt has up to {max_chars} characters."
        raise click.UsageError(message)
    if not text:
        message = "A blank prompt tells the models nothing. `llm-gateway prompt reset` goes back to the built-in one."
        raise click.UsageError(message)
    if "\0" in text:
        message = "The prompt holds a NUL character, which cannot be stored."
        raise click.UsageError(message)
    return text
