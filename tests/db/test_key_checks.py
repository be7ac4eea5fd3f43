import asyncio

import pytest

from app.db.key_checks import verify_key_checks
from app.db.session import Database
from app.errors import ConfigError
from tests.db.rows import NOON


async def verify(database: Database, **values: str) -> None:
    async with database.write() as session:
        await verify_key_checks(session, values, NOON)


async def test_known_and_new_keys_pass(database: Database) -> None:
    await verify(database, k1="aaaa")
    await verify(database, k1="aaaa", k2="bbbb")
    await verify(database, k2="bbbb")
    await verify(database)


async def test_another_key_by_a_known_name_stops(database: Database) -> None:
    await verify(database, k1="aaaa")

    with pytest.raises(ConfigError, match="'k1'") as stopped:
        await verify(database, k1="cccc", k2="bbbb")

    assert "aaaa" not in str(stopped.value)
    assert "cccc" not in str(stopped.value)
    await verify(database, k2="dddd")


async def test_of_two_that_start_at_once_with_different_keys_one_stops(database: Database) -> None:
    results = await asyncio.gather(verify(database, k1="aaaa"), verify(database, k1="bbbb"), return_exceptions=True)

    assert [type(result) for result in results if result] == [ConfigError]
