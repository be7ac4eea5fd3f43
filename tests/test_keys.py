import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.credentials import find_credential, put_credential
from app.db.models import Credential
from app.db.session import Database
from app.keys import KeyStatus, RotationReport, key_status, rotate_credentials
from app.secret import Secret
from app.vault import Binding, Sealed, Vault, generate_key, mask

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN: Final = "https://api.example.com"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@dataclass(frozen=True)
class Keyring:
    old: str
    new: str

    def vault(self, *keys: str) -> Vault:
        return Vault.from_config(Secret(",".join(keys)), None)


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(generate_key(), generate_key())


async def put(database: Database, vault: Vault, user_id: str, key: str = "") -> None:
    secret = Secret(key or f"sk-of-{user_id}")

    def seal(row_id: UUID) -> Sealed:
        return vault.seal(secret, Binding(row_id=row_id, user_id=user_id, provider="groq", origin=ORIGIN))

    async with database.write() as session:
        await put_credential(
            session,
            user_id=user_id,
            provider="groq",
            origin=ORIGIN,
            new_id=uuid4(),
            seal=seal,
            mask=mask(secret),
            fingerprint=vault.fingerprint(secret),
            now=NOON,
        )


async def opened(database: Database, vault: Vault, user_id: str) -> str:
    async with database.read() as session:
        row = await find_credential(session, user_id=user_id, provider="groq")
    assert row is not None
    binding = Binding(row_id=row.id, user_id=row.user_id, provider=row.provider, origin=row.origin)
    return vault.open(row.sealed, binding).reveal()


async def test_rotation_moves_every_key_to_the_current_one(database: Database, keyring: Keyring) -> None:
    before, between, after = (
        keyring.vault(keyring.old),
        keyring.vault(keyring.new, keyring.old),
        keyring.vault(keyring.new),
    )
    users = [f"user{number}" for number in range(7)]
    for user_id in users:
        await put(database, before, user_id)

    report = await rotate_credentials(database, between, batch=3)

    assert report == RotationReport(resealed=7)
    assert [await opened(database, after, user_id) for user_id in users] == [f"sk-of-{user_id}" for user_id in users]
    assert await rotate_credentials(database, between, batch=3) == RotationReport()
    assert await key_status(database, after) == KeyStatus(
        current=after.current_kid, rows={after.current_kid: 7}, unknown=()
    )


async def test_status_names_keys_that_are_missing(database: Database, keyring: Keyring) -> None:
    lost = keyring.vault(keyring.old)
    await put(database, lost, "ann")

    status = await key_status(database, keyring.vault(keyring.new))

    kid = keyring.new.partition(":")[0]
    assert status == KeyStatus(current=kid, rows={kid: 0, lost.current_kid: 1}, unknown=(lost.current_kid,))


async def test_rows_that_do_not_open_are_counted_and_left(database: Database, keyring: Keyring) -> None:
    before, between = keyring.vault(keyring.old), keyring.vault(keyring.new, keyring.old)
    for user_id in ("ann", "bob", "cid"):
        await put(database, before, user_id)
    await put(database, keyring.vault(generate_key()), "lost")
    async with database.write() as session:
        await session.execute(
            update(Credential).where(Credential.user_id == "bob").values(origin="https://evil.example")
        )

    report = await rotate_credentials(database, between, batch=1)

    assert report == RotationReport(resealed=2, unreadable=2)
    async with database.read() as session:
        bob = await find_credential(session, user_id="bob", provider="groq")
    assert bob is not None
    assert bob.kid == before.current_kid


async def test_a_users_own_change_wins(database: Database, database_url: str, keyring: Keyring) -> None:
    """The user stores another key after the rotation has read the row and before it writes."""
    before, between = keyring.vault(keyring.old), keyring.vault(keyring.new, keyring.old)
    await put(database, before, "ann")
    await put(database, before, "bob")

    class UserIsQuicker(Database):
        @asynccontextmanager
        async def write(self) -> AsyncGenerator[AsyncSession]:
            await put(database, between, "ann", "sk-newer")
            async with super().write() as session:
                yield session

    overtaken = UserIsQuicker.open(database_url)
    report = await rotate_credentials(overtaken, between)
    await overtaken.close()

    assert report == RotationReport(resealed=1, overtaken=1)
    assert await opened(database, between, "ann") == "sk-newer"
    assert await opened(database, between, "bob") == "sk-of-bob"


async def test_two_rotations_at_once_do_each_row_once(database: Database, keyring: Keyring) -> None:
    before, between = keyring.vault(keyring.old), keyring.vault(keyring.new, keyring.old)
    for number in range(20):
        await put(database, before, f"user{number}")

    one, two = await asyncio.gather(*(rotate_credentials(database, between, batch=4) for _ in range(2)))

    assert one.resealed + two.resealed == 20
    assert one.unreadable == two.unreadable == 0
    assert await opened(database, between, "user7") == "sk-of-user7"
