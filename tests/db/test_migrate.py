import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.schema import UniqueConstraint

from app.db.engine import open_engine
from app.db.migrate import migration_config, upgrade
from app.db.revision import current_revision_is_head
from app.db.schema import SCHEMA
from app.db.session import Database
from app.errors import ConfigError, StorageUnavailable

ONE_AT_A_TIME = 7_205_759_403
TABLES = {
    *("conversations", "messages", "runs", "credentials", "key_checks"),
    *("ai_settings", "system_prompts", "service_tokens", "import_marks"),
    *("run_events", "event_journal", "replicas", "idempotency_keys"),
    "learned_wires",
}


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), SCHEMA))


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def names(connection: Connection) -> set[str | None]:
    seen: set[str | None] = set()
    for table in TABLES:
        about = inspect(connection)
        seen |= {row["name"] for row in about.get_foreign_keys(table)}
        seen |= {row["name"] for row in about.get_unique_constraints(table)}
        seen |= {row["name"] for row in about.get_indexes(table)}
        seen.add(about.get_pk_constraint(table)["name"])
    return seen


async def test_the_migrated_schema_is_what_the_models_say(database: Database) -> None:
    async with database.read() as session:
        connection = await session.connection()

        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(tables) == TABLES


async def test_every_constraint_has_the_models_name(database: Database) -> None:
    async with database.read() as session:
        connection = await session.connection()
        found = await connection.run_sync(names)

    for table in SCHEMA.tables.values():
        wanted = {constraint.name for constraint in table.constraints} | {index.name for index in table.indexes}
        assert wanted <= found | {c.name for c in table.constraints if isinstance(c, UniqueConstraint)}
        assert None not in wanted


async def test_a_migrated_database_is_at_head(database: Database) -> None:
    async with database.read() as session:
        assert await current_revision_is_head(session)


async def test_down_and_up_again(database_url: str) -> None:
    await asyncio.to_thread(command.downgrade, migration_config(database_url), "base")
    database = Database.open(database_url)
    async with database.read() as session:
        assert await (await session.connection()).run_sync(tables) == set()
        assert not await current_revision_is_head(session)

    await asyncio.to_thread(upgrade, database_url)

    async with database.read() as session:
        assert await (await session.connection()).run_sync(tables) == TABLES
        assert await current_revision_is_head(session)
    await database.close()


async def test_upgrading_twice_changes_nothing(database_url: str, database: Database) -> None:
    async with database.write() as session:
        await session.execute(text("INSERT INTO key_checks VALUES ('k', 'v', '2026-01-01 00:00:00')"))

    await asyncio.to_thread(upgrade, database_url)

    async with database.read() as session:
        assert await session.scalar(text("SELECT value FROM key_checks")) == "v"


def test_two_processes_may_upgrade_at_once(database_url: str) -> None:
    command.downgrade(migration_config(database_url), "base")

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(command_upgrade, database_url), pool.submit(command_upgrade, database_url)
        results = [one.result(timeout=30), two.result(timeout=30)]

    assert results == [0, 0]


def command_upgrade(url: str) -> int:
    # A process of its own: alembic's context is one per process.
    code = "import sys; from app.db.migrate import upgrade; upgrade(sys.argv[1])"
    root = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run([sys.executable, "-c", code, url], check=False, cwd=root, env=environ).returncode  # noqa: S603 - our own code


@pytest.mark.prove
async def test_a_second_process_waits_for_its_turn_longer_than_for_a_table(postgres_url: str) -> None:
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    database = Database.open(postgres_url)
    async with database.write() as session:
        await session.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
        upgrading = asyncio.create_task(asyncio.to_thread(command_upgrade, postgres_url))
        async with asyncio.timeout(30):
            while not await session.scalar(waits):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.01)
        await asyncio.wait({upgrading}, timeout=4.5)  # it would wait 4 s for a table
        assert not upgrading.done()
    assert await upgrading == 0
    await database.close()


@pytest.mark.prove
async def test_a_table_that_is_taken_stops_the_migration(postgres_url: str) -> None:
    await asyncio.to_thread(command.downgrade, migration_config(postgres_url), "base")
    database = Database.open(postgres_url)
    async with database.write() as session:
        await session.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StorageUnavailable, match="lock timeout"):
            await asyncio.to_thread(upgrade, postgres_url)
    await database.close()


def test_the_tables_of_another_version_are_left_alone(sqlite_url: str) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'newer'")

    with pytest.raises(ConfigError, match="another version"):
        upgrade(sqlite_url)


async def test_a_migration_may_take_longer_than_a_statement_of_a_caller(postgres_url: str) -> None:
    for statement_s, ends in ((0.1, False), (None, True)):
        engine = open_engine(postgres_url, statement_s=statement_s)
        async with engine.connect() as connection:
            with nullcontext() if ends else pytest.raises(TimeoutError):
                await connection.execute(select(func.pg_sleep(0.3)))
        await engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "half.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE credentials (id)")
    connection.close()

    with pytest.raises(StorageUnavailable, match=r"\(table credentials already exists\)"):
        upgrade(f"sqlite:///{path}")

    with sqlite3.connect(path) as connection:
        left = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert left == {"credentials"}


def test_a_bad_url_stops_before_anything_is_opened() -> None:
    with pytest.raises(ConfigError, match="GATEWAY_DATABASE_URL"):
        upgrade("mysql://user:hunter2@host/name")


def test_a_new_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"

    upgrade(f"sqlite:///{path}")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
