"""Killed at any moment and started again, an import ends as if nothing had happened."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from app.db.session import Database
from app.voyage_import import Kind
from tests.voyage_import.command import environ, start
from tests.voyage_import.generated import Generator
from tests.voyage_import.target import counts, dump, opened_keys, reasons, run, told, vault_of
from tests.voyage_import.voyage import Voyage, connect

TRIGGER = """
CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM messages) > 100 THEN PERFORM pg_advisory_xact_lock(1); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER wait_for_the_test AFTER INSERT ON messages FOR EACH STATEMENT EXECUTE FUNCTION wait_for_the_test();
"""


@pytest.fixture
async def generator(voyage: Voyage) -> Generator:
    made = Generator(2, bad_share=0.1)
    made.make(users=9, messages=300, keys=40)
    await made.fill(voyage)
    return made


async def waiting(admin: Any, count: int) -> None:
    """Wait until so many statements wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while await admin.fetchval(query) < count:  # noqa: ASYNC110 - a lock sets no event
        await asyncio.sleep(0.001)


@asynccontextmanager
async def killed(process: asyncio.subprocess.Process) -> AsyncGenerator[None]:
    """Kill it at the end of the block, in which it must not have ended."""
    async with asyncio.timeout(60):
        yield
        assert process.returncode is None
        process.kill()
        output = await process.communicate()
    assert process.returncode == -9, output


async def goes_on_to_the_same_end(generator: Generator, voyage: Voyage, url: str) -> None:
    """Import what is left, check everything, and import once more."""
    interrupted = await dump(url)
    database = Database.open(url)
    report = await run(voyage, database)
    arrived = await dump(url)
    again = await run(voyage, database)
    await database.close()

    assert 0 < len(interrupted["messages"]) < len(arrived["messages"])
    assert told(arrived) == generator.expected.messages
    assert opened_keys(arrived, vault_of(voyage)) == generator.expected.keys
    for kind, expected in generator.expected.counts.items():
        imported, unchanged, unreadable, skipped = counts(report, kind)
        assert (imported + unchanged, unreadable, skipped) == (expected["imported"], expected["unreadable"], 0)
        assert counts(again, kind) == (0, imported + unchanged, unreadable, 0)
    assert counts(report, Kind.MESSAGES)[1] == len(interrupted["messages"])
    assert await dump(url) == arrived


async def test_killed_between_two_transactions(generator: Generator, voyage: Voyage, sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as watched:
        process = await start("--batch", "1", **environ(voyage, sqlite_url))
        async with killed(process):
            while watched.execute("SELECT count(*) FROM messages").fetchone()[0] < 20:  # noqa: ASYNC110 - a file sets no event
                await asyncio.sleep(0.001)
            # Whoever has this is the only writer, so nothing more is stored.
            watched.execute("BEGIN IMMEDIATE")

    await goes_on_to_the_same_end(generator, voyage, sqlite_url)


async def test_killed_in_a_transaction(generator: Generator, voyage: Voyage, postgres_url: str) -> None:
    admin = await connect(postgres_url)
    await admin.execute(TRIGGER)
    await admin.execute("SELECT pg_advisory_lock(1)")
    process = await start("--batch", "5", **environ(voyage, postgres_url))
    async with killed(process):
        await waiting(admin, 1)
    await admin.close()  # and nobody waits any more

    await goes_on_to_the_same_end(generator, voyage, postgres_url)


async def test_an_import_that_comes_while_another_one_is_storing_stores_the_rest(
    generator: Generator, voyage: Voyage, postgres_url: str
) -> None:
    admin, databases = await connect(postgres_url), [Database.open(postgres_url) for _ in range(2)]
    await admin.execute(TRIGGER)
    await admin.execute("SELECT pg_advisory_lock(1)")
    async with asyncio.timeout(60):
        first = asyncio.create_task(run(voyage, databases[0]))
        await waiting(admin, 1)
        second = asyncio.create_task(run(voyage, databases[1]))
        await waiting(admin, 2)
        await admin.execute("SELECT pg_advisory_unlock(1)")
        reports = [await first, await second]
    for each in databases:
        await each.close()
    await admin.close()

    arrived = await dump(postgres_url)
    assert told(arrived) == generator.expected.messages
    assert opened_keys(arrived, vault_of(voyage)) == generator.expected.keys
    for kind, expected in generator.expected.counts.items():
        assert sum(counts(report, kind)[0] for report in reports) == expected["imported"]
        found = [counts(report, kind)[2:] for report in reports]
        assert found == [(expected["unreadable"], 0)] * 2, [reasons(report, kind) for report in reports]
