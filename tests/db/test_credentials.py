import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.db.credentials import (
    count_by_kid,
    delete_credential,
    find_credential,
    get_credential,
    list_credentials,
    list_sealed_otherwise,
    put_credential,
    reseal_credential,
    update_credential,
)
from app.db.models import Credential
from app.db.session import Database
from app.errors import InvalidInput, NotFound
from tests.db.rows import NOON, later


@dataclass(frozen=True)
class Text:
    kid: str
    text: str


async def put(database: Database, provider: str = "groq", user_id: str = "ann", **changes: Any) -> Credential:
    kid: str = changes.pop("kid", "k1")

    def seal(row_id: UUID) -> Text:
        return Text(kid, f"sealed for {row_id}")

    values: dict[str, Any] = {
        "origin": "https://api.example.com",
        "new_id": uuid4(),
        "seal": seal,
        "mask": "gsk********abc",
        "fingerprint": "f1",
        "now": NOON,
    } | changes
    async with database.write() as session:
        return await put_credential(session, user_id=user_id, provider=provider, **values)


async def test_put_stores_a_key_sealed_for_its_row(database: Database) -> None:
    wanted = uuid4()

    stored = await put(database, new_id=wanted)

    assert (stored.id, stored.kid, stored.sealed) == (wanted, "k1", f"sealed for {wanted}")
    assert (stored.created_at, stored.updated_at, stored.mask) == (NOON, NOON, "gsk********abc")


async def test_put_again_keeps_the_id_and_seals_for_it(database: Database) -> None:
    first = await put(database)

    second = await put(database, kid="k2", origin="https://other.example.com", fingerprint="f2", now=later(1))

    assert (second.id, second.sealed, second.kid) == (first.id, f"sealed for {first.id}", "k2")
    assert (second.origin, second.fingerprint) == ("https://other.example.com", "f2")
    assert (second.created_at, second.updated_at) == (NOON, later(1))


async def test_first_keys_that_arrive_at_once_share_one_row_that_opens(database: Database) -> None:
    rows = await asyncio.gather(*(put(database) for _ in range(20)))

    assert len({row.id for row in rows}) == 1
    async with database.read() as session:
        (stored,) = await list_credentials(session, user_id="ann")
    assert stored.sealed == f"sealed for {stored.id}"


async def test_a_seal_that_fails_stores_no_row(database: Database) -> None:
    def fail(_: UUID) -> Text:
        raise InvalidInput

    with pytest.raises(InvalidInput):
        await put(database, seal=fail)

    async with database.read() as session:
        assert await list_credentials(session, user_id="ann") == []


async def test_list_is_ordered_by_provider_and_ones_own(database: Database) -> None:
    for provider in ("openai", "anthropic", "groq"):
        await put(database, provider)
    await put(database, "aaa", user_id="bob")

    async with database.read() as session:
        rows = await list_credentials(session, user_id="ann")
        found = await find_credential(session, user_id="ann", provider="groq")

        assert [row.provider for row in rows] == ["anthropic", "groq", "openai"]
        assert found in rows
        assert await find_credential(session, user_id="ann", provider="aaa") is None


async def test_a_foreign_credential_is_absent(database: Database) -> None:
    row = await put(database)

    async with database.write() as session:
        for user_id, wanted in (("bob", row.id), ("ann", uuid4())):
            with pytest.raises(NotFound):
                await get_credential(session, user_id=user_id, credential_id=wanted)
            with pytest.raises(NotFound):
                await delete_credential(session, user_id=user_id, credential_id=wanted)
            with pytest.raises(NotFound):
                await change(session, wanted, "groq", user_id=user_id)
        assert (await get_credential(session, user_id="ann", credential_id=row.id)).sealed == row.sealed


async def change(session: Any, credential_id: UUID, provider: str, user_id: str = "ann") -> Credential:
    return await update_credential(
        session,
        user_id=user_id,
        credential_id=credential_id,
        provider=provider,
        origin="https://api.example.com",
        sealed=Text("k1", "moved"),
        mask="********",
        fingerprint="f",
        now=later(2),
    )


async def test_a_credential_can_be_moved_to_a_free_provider_only(database: Database) -> None:
    row = await put(database, "groq")
    await put(database, "openai")

    async with database.write() as session:
        moved = await change(session, row.id, "mistral")
    with pytest.raises(InvalidInput) as taken:
        async with database.write() as session:
            await change(session, row.id, "openai")

    assert (moved.id, moved.provider, moved.sealed, moved.updated_at) == (row.id, "mistral", "moved", later(2))
    assert list(taken.value.fields) == ["provider"]
    async with database.read() as session:
        assert [each.provider for each in await list_credentials(session, user_id="ann")] == ["mistral", "openai"]


async def test_delete(database: Database) -> None:
    row = await put(database)

    async with database.write() as session:
        await delete_credential(session, user_id="ann", credential_id=row.id)

    async with database.read() as session:
        assert await find_credential(session, user_id="ann", provider="groq") is None


async def test_rows_per_key_and_batches_of_stale_ones(database: Database) -> None:
    for number in range(5):
        await put(database, f"p{number}", kid="old")
    await put(database, "new", kid="k1")

    async with database.read() as session:
        counted = await count_by_kid(session)
        seen: list[UUID] = []
        while batch := await list_sealed_otherwise(session, kid="k1", after=seen[-1] if seen else None, limit=2):
            assert len(batch) <= 2
            seen += [row.id for row in batch]

    assert counted == {"old": 5, "k1": 1}
    assert len(set(seen)) == 5


async def test_reseal_replaces_only_what_it_has_read(database: Database) -> None:
    row = await put(database)

    async with database.write() as session:
        swap: dict[str, Any] = {"credential_id": row.id, "sealed": Text("k2", "new"), "fingerprint": "f2"}
        won = await reseal_credential(session, was=row.sealed, **swap)
        lost = await reseal_credential(session, was=row.sealed, **swap)

    async with database.read() as session:
        after = await get_credential(session, user_id="ann", credential_id=row.id)
    assert (won, lost) == (True, False)
    assert (after.sealed, after.kid, after.fingerprint, after.updated_at) == ("new", "k2", "f2", NOON)
