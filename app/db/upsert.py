"""`INSERT ... ON CONFLICT`, which both databases have under different roofs."""

from typing import TYPE_CHECKING

from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def upsert(session: AsyncSession, table: type[Base]) -> "postgresql.Insert | sqlite.Insert":
    """Begin an insert into `table` in the dialect of the session's database."""
    return insert_into(table, session.get_bind().dialect.name)


def insert_into(table: type[Base], dialect: str) -> "postgresql.Insert | sqlite.Insert":
    """Begin an insert into `table` in the dialect of that name."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 4 MB, loaded with the first engine for PostgreSQL

        return postgresql.insert(table)
    return sqlite.insert(table)
