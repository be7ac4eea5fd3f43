"""Brings the operator's database to the tables of this version."""

import asyncio

from app.db.engine import make_file
from app.db.revision import current_revision_is_head
from app.serve import open_database
from app.settings import Settings


def upgrade_database(settings: Settings) -> None:
    """Run the migrations that are missing, if any; raises `StorageUnavailable` when the database does not answer."""
    make_file(settings.database_url)
    if asyncio.run(_is_at_head(settings.database_url)):
        return
    from app.db.migrate import upgrade  # noqa: PLC0415 - alembic takes 10 MB, and `dev` goes on to serve

    upgrade(settings.database_url)


async def _is_at_head(url: str) -> bool:
    async with open_database(url) as database, database.read() as session:
        return await current_revision_is_head(session)
