"""Which version of the tables a database has, and which ones this gateway knows; without alembic, to start fast."""

import asyncio
import re
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ConfigError

_VERSIONS: Final = table("alembic_version", column("version_num"))
"""Where alembic notes what it has run: https://alembic.sqlalchemy.org/en/latest/tutorial.html."""
_REVISION: Final = re.compile(r'^revision: str = "(?P<id>[^"]+)"$', re.MULTILINE)
_BEFORE: Final = re.compile(r'^down_revision: str \| None = (?:None|"(?P<id>[^"]+)")$', re.MULTILINE)


async def current_revision_is_head(session: AsyncSession) -> bool:
    """Tell whether the schema is the one this version was written for."""
    head = await asyncio.to_thread(_head)
    connection = await session.connection()
    return await connection.run_sync(_revision) == head


async def is_migrated_further(session: AsyncSession) -> bool:
    """Tell whether a newer version has migrated: a process of this one can go on, as migrations leave what it needs."""
    known = await asyncio.to_thread(known_revisions)
    connection = await session.connection()
    found = await connection.run_sync(_revision)
    return found is not None and found not in known


def migrations_folder() -> Path:
    """Give where the migrations are; raises `ConfigError` for an installation without them."""
    package = Path(__file__).resolve().parents[1]
    # Inside the package where it is installed, beside it in a checkout.
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    message = "The migrations are missing from this installation."
    raise ConfigError(message)


@cache
def known_revisions() -> tuple[str, ...]:
    """Give the ids of this version's migrations, the oldest first; read once, as a running version does not change.

    Raises `ConfigError` where they are missing or are no chain.
    """
    after: dict[str | None, str] = {}
    for file in sorted((migrations_folder() / "versions").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        revision, before = _REVISION.search(text), _BEFORE.search(text)
        if revision is None or before is None or before["id"] in after:
            message = f"The migrations of this installation are damaged: {file.name}."
            raise ConfigError(message)
        after[before["id"]] = revision["id"]
    chain: list[str] = []
    while (following := after.pop(chain[-1] if chain else None, None)) is not None:
        chain.append(following)
    if after or not chain:
        message = "The migrations of this installation are damaged: some are missing."
        raise ConfigError(message)
    return tuple(chain)


def _head() -> str:
    return known_revisions()[-1]


def _revision(connection: Connection) -> str | None:
    """Give the id that the database names, None for one that was never migrated."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    return connection.scalars(select(_VERSIONS.c.version_num)).one_or_none()
