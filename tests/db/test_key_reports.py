import asyncio
from typing import Any

from alembic import command
from sqlalchemy import text

from app.db.credentials import get_credential, update_credential
from app.db.key_reports import put_key_report
from app.db.migrate import migration_config, upgrade
from app.db.models import Credential
from app.db.session import Database
from tests.db.rows import NOON, later
from tests.db.test_credentials import Text, put

REPORT: dict[str, Any] = {
    "status": "fail",
    "failed_step": "auth",
    "steps": [{"cause": "Nein, 東京 🙂"}],
}
BEFORE = "0005"


async def keep(database: Database, stored: Credential, was: str | None = None) -> bool:
    async with database.write() as session:
        return await put_key_report(
            session, credential_id=stored.id, was=was or stored.sealed, report=REPORT, now=later(minutes=1)
        )


async def read(database: Database, stored: Credential) -> Credential:
    async with database.read() as session:
        return await get_credential(session, user_id="ann", credential_id=stored.id)


async def test_a_report_is_kept_with_its_key_and_is_no_change_of_it(database: Database) -> None:
    stored = await put(database)
    assert (stored.report, stored.reported_at) == (None, None)

    assert await keep(database, stored)

    found = await read(database, stored)
    assert (found.report, found.reported_at, found.updated_at) == (REPORT, later(minutes=1), NOON)


async def test_a_report_of_a_key_that_was_changed_meanwhile_is_dropped(database: Database) -> None:
    stored = await put(database)

    assert not await keep(database, stored, was="sealed otherwise")

    assert (await read(database, stored)).report is None


async def test_a_new_key_has_no_report(database: Database) -> None:
    stored = await put(database)
    await keep(database, stored)
    again = await put(database, now=later(minutes=2))
    assert (again.id, again.report, again.reported_at) == (stored.id, None, None)

    await keep(database, again)
    async with database.write() as session:
        changed = await update_credential(
            session,
            user_id="ann",
            credential_id=stored.id,
            provider="mistral",
            origin="",
            sealed=Text("k1", "other"),
            mask="",
            fingerprint="",
            now=later(minutes=3),
        )
    assert (changed.report, changed.reported_at) == (None, None)


async def test_the_columns_come_and_go_under_keys_of_the_version_before(database_url: str, database: Database) -> None:
    stored = await put(database)
    await keep(database, stored)
    await asyncio.to_thread(command.downgrade, migration_config(database_url), BEFORE)
    async with database.write() as session:
        await session.execute(text("UPDATE credentials SET sealed = 'by the version before'"))

    await asyncio.to_thread(upgrade, database_url)

    found = await read(database, stored)
    assert (found.sealed, found.report, found.reported_at) == ("by the version before", None, None)
    async with database.write() as session:
        await session.execute(text("UPDATE credentials SET mask = 'by the version before'"))
    assert (await read(database, stored)).mask == "by the version before"
