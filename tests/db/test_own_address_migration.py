"""The column for a user's own address comes and goes under stored keys, and under a process of the version before."""

import asyncio
from uuid import UUID, uuid4

from alembic import command
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.credentials import find_credential, list_credentials, put_credential
from app.db.migrate import migration_config, upgrade
from app.db.models import Credential
from app.db.session import Database
from tests.db.rows import NOON, later
from tests.db.test_credentials import Text
from tests.db.version_before import bound

BEFORE = "0003"
BASE = "https://llm.example.org/v1"
CLAIM = """
    INSERT INTO credentials (id, user_id, provider, origin, sealed, kid, mask, fingerprint, created_at, updated_at)
    VALUES (:id, 'ann', :provider, '', '', '', '', '', :now, :now)
    ON CONFLICT (user_id, provider) DO UPDATE SET updated_at = :now RETURNING id"""
FILL = """
    UPDATE credentials SET provider = :provider, origin = :origin, sealed = 'old', kid = 'k0', mask = '',
        fingerprint = '', updated_at = :now
    WHERE id = :id AND user_id = 'ann'
    RETURNING id, user_id, provider, origin, sealed, kid, mask, fingerprint, created_at, updated_at"""


async def write_as_before(session: AsyncSession, provider: str) -> None:
    """Store a key with the statements of the version before."""
    result = await session.execute(bound(CLAIM, id=uuid4(), provider=provider, now=NOON))
    row_id = result.scalar_one()
    row_id = row_id if isinstance(row_id, UUID) else UUID(row_id)
    await session.execute(bound(FILL, id=row_id, provider=provider, origin="https://api.example.com", now=NOON))


async def store(database: Database, provider: str, api_base: str | None) -> Credential:
    async with database.write() as session:
        return await put_credential(
            session,
            user_id="ann",
            provider=provider,
            origin="https://llm.example.org",
            api_base=api_base,
            new_id=uuid4(),
            seal=lambda _: Text("k1", "sealed"),
            mask="",
            fingerprint="",
            now=later(1),
        )


async def kept(database: Database) -> list[tuple[str, str, str | None]]:
    async with database.read() as session:
        return [(row.provider, row.sealed, row.api_base) for row in await list_credentials(session, user_id="ann")]


async def test_the_address_is_stored_replaced_and_taken_away_with_its_key(database: Database) -> None:
    first = await store(database, "custom", BASE)
    assert first.api_base == BASE
    assert (await store(database, "custom", "https://other.example.org")).id == first.id
    assert await kept(database) == [("custom", "sealed", "https://other.example.org")]

    await store(database, "custom", None)

    assert await kept(database) == [("custom", "sealed", None)]


async def test_keys_live_through_the_way_down_and_up_again(database_url: str, database: Database) -> None:
    await store(database, "custom", BASE)
    await store(database, "groq", None)

    await asyncio.to_thread(command.downgrade, migration_config(database_url), BEFORE)
    async with database.write() as session:
        await write_as_before(session, "openai")
    await asyncio.to_thread(upgrade, database_url)

    assert await kept(database) == [("custom", "sealed", None), ("groq", "sealed", None), ("openai", "old", None)]


async def test_a_process_of_the_version_before_goes_on_beside_the_column(database: Database) -> None:
    await store(database, "custom", BASE)

    async with database.write() as session:
        await write_as_before(session, "openai")
        await write_as_before(session, "custom")

    assert await kept(database) == [("custom", "old", BASE), ("openai", "old", None)]
    async with database.read() as session:
        found = await find_credential(session, user_id="ann", provider="custom")
    assert found is not None
    assert found.origin == "https://api.example.com", "what the key is sealed for: it does not open for the address"
