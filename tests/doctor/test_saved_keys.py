"""Saved keys are looked at in the background: bounded, one look for each key, and ended at a shutdown."""

import asyncio
import logging
from uuid import UUID, uuid4

import pytest

from app.doctor.saved_keys import AT_ONCE, MAX_WAITING, SavedKeys
from app.errors import StorageUnavailable


class Looks:
    """Looks that last until they are released."""

    def __init__(self) -> None:
        self.begun: list[UUID] = []
        self.ended: list[UUID] = []
        self.most = 0
        self.release = asyncio.Event()

    async def look(self, _user_id: str, credential_id: UUID) -> None:
        self.begun.append(credential_id)
        self.most = max(self.most, len(self.begun) - len(self.ended))
        try:
            await self.release.wait()
        finally:
            self.ended.append(credential_id)


async def settled(keys: SavedKeys) -> None:
    async with asyncio.timeout(5):
        await keys.idle()


async def test_few_at_once_and_only_so_many_wait() -> None:
    looks = Looks()
    keys = SavedKeys(looks.look)
    ids = [uuid4() for _ in range(AT_ONCE + MAX_WAITING + 20)]
    for number, id_ in enumerate(ids):
        keys.saved(f"user {number}", id_)
    looks.release.set()
    await settled(keys)

    assert looks.most <= AT_ONCE
    assert looks.begun == ids[: AT_ONCE + MAX_WAITING]


async def test_a_key_that_is_saved_again_is_looked_at_as_it_is_then() -> None:
    looks = Looks()
    keys = SavedKeys(looks.look)
    id_ = uuid4()
    keys.saved("ada", id_)
    await asyncio.sleep(0)
    keys.saved("ada", id_)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (looks.begun, looks.ended) == ([id_, id_], [id_])
    looks.release.set()
    await settled(keys)
    assert looks.ended == [id_, id_]


async def test_who_saves_one_key_after_the_other_has_ten_a_minute_looked_at() -> None:
    looks = Looks()
    looks.release.set()
    keys = SavedKeys(looks.look)
    ids = [uuid4() for _ in range(30)]
    for id_ in ids:
        keys.saved("ada", id_)
    other = uuid4()
    keys.saved("bob", other)
    await settled(keys)

    assert looks.begun == [*ids[:10], other]


async def test_closing_ends_what_runs_and_what_waits() -> None:
    looks = Looks()
    keys = SavedKeys(looks.look)
    for _ in range(10):
        keys.saved("ada", uuid4())
    await asyncio.sleep(0)
    await keys.close()

    assert len(looks.begun) == len(looks.ended) == AT_ONCE
    assert keys.count == 0


async def test_a_look_that_fails_is_logged_without_a_word_of_what_it_saw(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Exception] = [StorageUnavailable(), ValueError("sk-canary")]

    async def look(_user_id: str, _credential_id: UUID) -> None:
        await asyncio.sleep(0)
        raise failures.pop()

    keys = SavedKeys(look)
    with caplog.at_level(logging.DEBUG):
        keys.saved("ada", uuid4())
        keys.saved("ada", uuid4())
        await settled(keys)

    assert not failures
    assert "canary" not in caplog.text
