"""Stored keys through what happens to them in life: rotation, moved rows, and the list that always works."""

import asyncio
import sqlite3
from pathlib import Path

from app.db.session import Database
from app.keys import rotate_credentials
from app.providers.provider import Wire
from app.secret import Secret
from app.vault import Vault, generate_key
from tests.stories.gateway import KEY, gateway
from tests.upstream import Upstream

ONE, OTHER = Wire.OPENAI_CHAT.value, Wire.GEMINI.value
LIST = "/api/integrations/api-keys/"


def swap_sealed(path: Path) -> None:
    """Exchange the sealed keys of two rows, as somebody with the database in hand would."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT id, sealed FROM credentials ORDER BY provider").fetchall()
        for (id_, _), (_, sealed) in zip(rows, reversed(rows), strict=True):
            connection.execute("UPDATE credentials SET sealed = ? WHERE id = ?", (sealed, id_))
    connection.close()


async def test_a_key_that_was_moved_to_another_row_is_refused_and_healed(sqlite_url: str, tmp_path: Path) -> None:
    async with gateway(sqlite_url, tmp_path) as story:
        await story.store_key(ONE)
        await story.store_key(OTHER, "another-key-0123456789")
        conversation = await story.conversation()
        await asyncio.to_thread(swap_sealed, story.database_path)

        refused = await story.send(conversation, provider=ONE)
        listed = await story.http.get(LIST)
        await story.store_key(ONE)
        healed = await story.send(conversation, provider=ONE)

        assert (refused.response.status_code, refused.raw.count(b"credential_unreadable") > 0) == (409, True)
        assert (listed.status_code, len(listed.json())) == (200, 2)
        assert healed.last["status"] == "completed"
        assert [recorded.api_key for recorded in story.upstream.calls] == [KEY]


async def test_a_rotated_key_works_when_the_old_master_key_is_gone(sqlite_url: str, tmp_path: Path) -> None:
    old, new = generate_key(), generate_key()
    async with Upstream() as upstream:
        async with gateway(sqlite_url, tmp_path, upstream=upstream, GATEWAY_CREDENTIAL_KEYS=old) as story:
            await story.store_key(ONE)
        database = Database.open(sqlite_url)
        report = await rotate_credentials(database, Vault.from_config(Secret(f"{new},{old}"), None))
        await database.close()

        async with gateway(sqlite_url, tmp_path, upstream=upstream, GATEWAY_CREDENTIAL_KEYS=new) as story:
            stream = await story.send(await story.conversation(), provider=ONE)

        assert (report.resealed, report.unreadable) == (1, 0)
        assert stream.last["status"] == "completed"
        assert [recorded.api_key for recorded in upstream.calls] == [KEY]
