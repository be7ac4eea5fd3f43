import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.db.models import ServiceToken
from app.db.service_tokens import (
    find_service_token,
    insert_service_token,
    list_service_tokens,
    revoke_service_token,
    touch_service_token,
)
from app.db.session import Database
from app.errors import NotFound, StorageUnavailable
from tests.db.rows import NOON, later

ID = "aaaaaaaa"
HOUR = timedelta(hours=1)


async def insert(database: Database, token_id: str = ID, **changes: Any) -> ServiceToken:
    values: dict[str, Any] = {
        "name": "billing",
        "user_id": "service:billing",
        "digest": "d" * 64,
        "scopes": ["chat", "act_as"],
        "expires_at": later(60),
        "now": NOON,
    } | changes
    async with database.write() as session:
        return await insert_service_token(session, token_id=token_id, **values)


async def find(database: Database, token_id: str = ID) -> ServiceToken:
    async with database.read() as session:
        row = await find_service_token(session, token_id=token_id)
    assert row is not None
    return row


async def revoke(database: Database, now: datetime, token_id: str = ID) -> ServiceToken:
    async with database.write() as session:
        return await revoke_service_token(session, token_id=token_id, now=now)


async def touch(database: Database, now: datetime, token_id: str = ID) -> bool:
    async with database.write() as session:
        return await touch_service_token(session, token_id=token_id, used_at=now, stale_before=now - HOUR)


async def test_what_is_inserted_is_found(database: Database) -> None:
    await insert(database)

    row = await find(database)

    assert (row.id, row.name, row.user_id, row.digest) == ("aaaaaaaa", "billing", "service:billing", "d" * 64)
    assert (row.scopes, row.created_at, row.expires_at) == (["chat", "act_as"], NOON, later(60))
    assert (row.revoked_at, row.last_used_at) == (None, None)


async def test_a_token_may_never_expire(database: Database) -> None:
    await insert(database, expires_at=None)

    assert (await find(database)).expires_at is None


async def test_an_unknown_id_is_nothing(database: Database) -> None:
    await insert(database)

    async with database.read() as session:
        for token_id in ("bbbbbbbb", "AAAAAAAA", "", "aaaaaaa%", "' OR 1=1--"):
            assert await find_service_token(session, token_id=token_id) is None


async def test_an_id_is_taken_once(database: Database) -> None:
    await insert(database)

    with pytest.raises(StorageUnavailable):
        await insert(database, name="thief", user_id="ann")
    assert (await find(database)).name == "billing"


async def test_the_list_has_all_of_them_in_the_order_of_their_making(database: Database) -> None:
    await insert(database, "cccccccc", now=NOON)
    await insert(database, "bbbbbbbb", now=later(1))
    await insert(database, "aaaaaaaa", now=later(1))
    await revoke(database, later(2), "bbbbbbbb")

    async with database.read() as session:
        rows = await list_service_tokens(session)

    assert [row.id for row in rows] == ["cccccccc", "aaaaaaaa", "bbbbbbbb"]


async def test_revoking_again_keeps_the_first_time(database: Database) -> None:
    await insert(database)
    await insert(database, "bbbbbbbb")

    assert (await revoke(database, later(1))).revoked_at == later(1)
    assert (await revoke(database, later(2))).revoked_at == later(1)

    assert (await find(database)).revoked_at == later(1)
    assert (await find(database, "bbbbbbbb")).revoked_at is None


async def test_an_unknown_token_cannot_be_revoked(database: Database) -> None:
    await insert(database)

    with pytest.raises(NotFound, match="no service token"):
        await revoke(database, NOON, "bbbbbbbb")


async def test_a_use_is_noted_at_most_once_an_hour(database: Database) -> None:
    await insert(database)
    await insert(database, "bbbbbbbb")
    first = NOON + HOUR

    assert await touch(database, NOON)
    assert not await touch(database, first)
    assert (await find(database)).last_used_at == NOON
    assert await touch(database, first + timedelta(microseconds=1))
    assert (await find(database)).last_used_at == first + timedelta(microseconds=1)
    assert (await find(database, "bbbbbbbb")).last_used_at is None
    assert not await touch(database, NOON, "unknown")


async def test_of_many_notes_at_once_one_is_written(database: Database) -> None:
    await insert(database)

    written = await asyncio.gather(*(touch(database, later(number)) for number in range(20)))

    assert sum(written) == 1
