import asyncio
import shutil
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import select, text

from app.db.conversations import list_conversations
from app.db.engine import BUSY_SECONDS, connect_url
from app.db.key_checks import verify_key_checks
from app.db.models import KeyCheck
from app.db.session import Database
from app.errors import ConfigError, StorageUnavailable
from tests.databases import sqlite_threads_ended
from tests.db.rows import NOON, new_conversation


@pytest.fixture(autouse=True)
async def _no_thread_is_left() -> AsyncIterator[None]:
    yield
    await sqlite_threads_ended()


@pytest.fixture
def sqlite_path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def intruder(sqlite_path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that holds the write lock."""
    connection = sqlite3.connect(sqlite_path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


async def store(database: Database, kid: str) -> None:
    async with database.write() as session:
        await verify_key_checks(session, {kid: "value"}, NOON)


async def kids(database: Database) -> set[str]:
    async with database.read() as session:
        return set(await session.scalars(select(KeyCheck.kid)))


async def test_ping_and_close(database: Database) -> None:
    await database.ping()
    await database.close()
    await database.ping()


async def test_what_a_reader_writes_is_not_kept(database: Database, database_url: str) -> None:
    async def write_while_reading() -> None:
        async with database.read() as session:
            session.add(KeyCheck(kid="k", value="v", created_at=NOON))
            await session.flush()

    if database_url.startswith("postgresql"):
        with pytest.raises(StorageUnavailable):
            await write_while_reading()
    else:
        await write_while_reading()
    assert await kids(database) == set()


async def test_a_reader_sees_one_moment_on_sqlite(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    async with database.read() as session:
        before = list(await session.scalars(select(KeyCheck.kid)))
        await store(database, "k1")
        after = list(await session.scalars(select(KeyCheck.kid)))

    assert before == after == []
    assert await kids(database) == {"k1"}
    await database.close()


async def test_a_cancelled_writer_stores_nothing_and_blocks_nobody(database: Database) -> None:
    inside = asyncio.Event()

    async def write_and_wait() -> None:
        async with database.write() as session:
            await verify_key_checks(session, {"k1": "v"}, NOON)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await store(database, "k2")
    assert await kids(database) == {"k2"}


async def test_a_writer_cancelled_at_any_point_gives_its_lock_back(database: Database) -> None:
    for round_ in range(60):
        task = asyncio.create_task(store(database, f"k{round_}"))
        for _ in range(round_ % 12):
            await asyncio.sleep(0.0003)  # spreads the cancellations over the life of a transaction
        task.cancel()
        await asyncio.wait([task], timeout=10)

        async with asyncio.timeout(BUSY_SECONDS - 1):
            await store(database, f"after{round_}")

    assert {f"after{round_}" for round_ in range(60)} <= await kids(database)


async def test_an_error_of_the_database_tells_nothing_about_it(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StorageUnavailable) as failed:
        async with database.read() as session:
            await session.execute(text("SELECT :given FROM missing_table"), {"given": "private words"})

    shown = str(failed.value) + repr(failed.value) + "".join(capsys.readouterr())
    assert "missing_table" not in shown
    assert "private" not in shown
    assert failed.value.__suppress_context__
    assert "private words" not in str(failed.value.__context__)


async def test_a_locked_sqlite_fails_in_time_and_works_afterwards(
    sqlite_url: str, intruder: sqlite3.Connection
) -> None:
    database = Database.open(sqlite_url)
    started = time.monotonic()

    with pytest.raises(StorageUnavailable):
        await store(database, "k1")

    assert BUSY_SECONDS - 1 < time.monotonic() - started < BUSY_SECONDS + 3
    assert await kids(database) == set()
    intruder.execute("ROLLBACK")
    await store(database, "k2")
    assert await kids(database) == {"k2"}
    await database.close()


async def test_a_lock_that_ends_soon_is_waited_for(sqlite_url: str, intruder: sqlite3.Connection) -> None:
    database = Database.open(sqlite_url)
    task = asyncio.create_task(store(database, "k1"))
    await asyncio.wait([task], timeout=0.2)

    assert not task.done()
    intruder.execute("COMMIT")
    await asyncio.wait_for(task, timeout=BUSY_SECONDS)
    await database.close()


async def test_sqlite_is_set_up_to_keep_what_it_has_stored(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    async with database.read() as session:
        found = {name: await session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")}
        found |= {name: await session.scalar(text(f"PRAGMA {name}")) for name in ("foreign_keys", "busy_timeout")}
    await database.close()

    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, whatever its name says" * 100)
    database = Database.open(f"sqlite:///{tmp_path}/text.db")
    with pytest.raises(StorageUnavailable):
        await database.ping()
    await database.close()


async def test_after_a_failed_connect_the_drivers_thread_is_gone(tmp_path: Path) -> None:
    for _ in range(50):
        database = Database.open(f"sqlite:///{tmp_path}/missing/gateway.db")
        with pytest.raises(StorageUnavailable):
            await database.ping()
        await database.close()
        assert [thread.name for thread in threading.enumerate() if "_connection_worker_thread" in thread.name] == []


async def test_a_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/gateway.db")
    with pytest.raises(StorageUnavailable):
        await new_conversation(database)
    await database.close()

    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


@pytest.mark.parametrize("name", ["a b", "what?mode=memory", "50%2f#1", "größe", "file:x"])
async def test_a_file_may_have_any_name(sqlite_url: str, tmp_path: Path, name: str) -> None:
    await asyncio.to_thread(shutil.move, sqlite_url.removeprefix("sqlite:///"), tmp_path / name)
    database = Database.open(f"sqlite:///{quote(str(tmp_path / name))}")
    await database.ping()
    await database.close()


async def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/missing/gateway.db")
    with pytest.raises(StorageUnavailable):
        await new_conversation(database)
    await database.close()


@pytest.mark.parametrize("url", ["postgresql://ann:hunter2@127.0.0.1:1/gateway", "postgres://127.0.0.1:1/gateway"])
async def test_a_postgres_that_refuses(url: str) -> None:
    database = Database.open(url)
    with pytest.raises(StorageUnavailable) as failed:
        await database.ping()
    assert "hunter2" not in str(failed.value)
    await database.close()


async def test_a_postgres_without_that_database(postgres_url: str) -> None:
    database = Database.open(postgres_url.replace("/test_", "/missing_"))
    with pytest.raises(StorageUnavailable):
        await database.ping()
    await database.close()


async def test_a_postgres_connection_that_was_cut_is_replaced(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    await new_conversation(database)
    other = Database.open(postgres_url)
    async with other.write() as session:
        await session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        )
    await other.close()

    async with database.read() as session:
        assert len(await list_conversations(session, user_id="ann")) == 1
    await database.close()


async def test_a_postgres_connection_that_is_cut_in_the_middle(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with pytest.raises(StorageUnavailable):
        async with database.write() as session:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await store(database, "k")
    await database.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///gateway.db", "sqlite+aiosqlite:///gateway.db"),
        ("sqlite:////var/lib/gateway.db", "sqlite+aiosqlite:////var/lib/gateway.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgres://a:b%40c@h:5433/n", "postgresql+asyncpg://a:b%40c@h:5433/n"),
        ("postgresql://h/n?sslmode=require", "postgresql+asyncpg://h/n?ssl=require"),
        ("postgresql+asyncpg://h/n", "postgresql+asyncpg://h/n"),
    ],
)
def test_urls_get_their_async_driver(url: str, expected: str) -> None:
    assert connect_url(url).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gateway.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "mysql://u:hunter2@h/n",
        "postgresql+psycopg2://u:hunter2@h/n",
        "postgresql://u:hunter2@h",
        "postgresql://u:hunter2@h:port/n",
        "postgresql://u:hunter2@h/n?options=-c",
    ],
)
def test_urls_that_cannot_be_used_name_the_setting_only(url: str) -> None:
    with pytest.raises(ConfigError, match="GATEWAY_DATABASE_URL") as refused:
        Database.open(url)

    assert "hunter2" not in str(refused.value)
