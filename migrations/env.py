"""Runs the migrations: one transaction on one connection, on SQLite as on PostgreSQL."""

import asyncio
import os
from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from app.db.engine import BEGIN, open_engine
from app.db.migrate import URL_ATTRIBUTE
from app.db.schema import SCHEMA

ONE_AT_A_TIME = 7_205_759_403
"""The advisory lock of this project's migrations; any number that nobody else uses."""
TURN_SECONDS = 600
"""How long one process waits while another one migrates."""
TABLE_SECONDS = 4
"""How long a statement waits for its table."""


def migrate(connection: Connection) -> None:
    """Run what alembic was asked for on an open transaction."""
    if connection.dialect.name == "postgresql":
        # Its turn first: another process may need minutes for what this one will then not have to do.
        connection.execute(text(f"SET LOCAL lock_timeout = '{TURN_SECONDS}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ONE_AT_A_TIME})
        # A migration that cannot have its table at once gives up, rather than stop everybody behind it.
        connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_SECONDS}s'"))
    context.configure(
        connection=connection,
        target_metadata=SCHEMA,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate() -> None:
    """Open the database that the caller, or the environment, names."""
    attributes: dict[str, Any] = context.config.attributes
    url = attributes.get(URL_ATTRIBUTE) or os.environ.get("GATEWAY_DATABASE_URL") or "sqlite:///gateway.db"
    engine = open_engine(url, statement_s=None)
    try:
        async with engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"}).begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


asyncio.run(connect_and_migrate())
