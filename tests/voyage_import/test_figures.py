"""A Voyage of some years: 50,000 messages and 5,000 keys, a hundredth of them damaged, half of them of one moment."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select

from app.db.models import Message
from app.db.session import Database
from app.voyage_import import Kind
from tests.db.rows import begin, finish, new_conversation
from tests.voyage_import.command import Measured, environ, measure, start
from tests.voyage_import.generated import Expected, Generator
from tests.voyage_import.target import Dump, dump, on_both_databases, opened_keys, told, vault_of
from tests.voyage_import.voyage import Voyage

MESSAGES, KEYS = 50_000, 5_000
MAX_WAIT_SECONDS = 2.0
"""For what a user of a running gateway writes meanwhile; a few times what is usual on two slow cores."""
MAX_MB = 250


@pytest.fixture
async def expected(voyage: Voyage) -> Expected:
    generator = Generator(4, bad_share=0.01)
    generator.make(users=1000, messages=MESSAGES, keys=KEYS)
    await generator.fill(voyage)
    return generator.expected


async def stored(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(Message)) or 0


@asynccontextmanager
async def busy(database: Database) -> AsyncGenerator[list[float]]:
    """Let a user ask and be answered again and again; gives how long each write took, in seconds."""
    waits: list[float] = []
    conversation = await new_conversation(database)
    done = asyncio.Event()

    async def ask() -> None:
        while not done.is_set():
            began = time.perf_counter()
            begun = await begin(database, conversation)
            waits.append(time.perf_counter() - began)
            await finish(database, begun.run_id)

    asking = asyncio.create_task(ask())
    yield waits
    done.set()
    await asking


def lines(expected: Expected, *, again: bool) -> set[str]:
    names = {
        Kind.CONVERSATIONS: "conversations",
        Kind.MESSAGES: "messages",
        Kind.KEYS: "provider keys",
        Kind.SETTINGS: "AI settings",
        Kind.PROMPT: "system prompt",
    }
    said: set[str] = set()
    for kind, counts in expected.counts.items():
        rows = (0, counts["imported"]) if again else (counts["imported"], 0)
        bad = counts["unreadable"]
        said.add(f"{names[kind]}: {rows[0]} imported, {rows[1]} unchanged, {bad} unreadable, 0 skipped")
    return said


def check(expected: Expected, arrived: Dump, voyage: Voyage) -> None:
    own = [row["id"] for row in arrived["conversations"] if row["user_id"] != "ann"]
    found = told(arrived)
    assert {id_: found[id_] for id_ in own} == expected.messages
    assert opened_keys(arrived, vault_of(voyage)) == expected.keys


@pytest.mark.prove
@pytest.mark.timeout(900)
@on_both_databases
async def test_a_big_import_beside_a_busy_gateway(
    voyage: Voyage, database: Database, database_url: str, expected: Expected
) -> None:
    variables = environ(voyage, database_url)
    rehearsed = await measure("--dry-run", **variables)
    assert await stored(database) == 0
    async with busy(database) as waits:
        first = await measure(**variables)
    arrived = await dump(database_url)
    second = await measure(**variables)

    told_runs = [f"{run.seconds:.1f} s ({run.peak_mb:.0f} MB)" for run in (rehearsed, first, second)]
    print(  # noqa: T201 - the figures of the proof
        f"{database_url.partition(':')[0]}: {MESSAGES} messages, {KEYS} keys: dry run {told_runs[0]},"
        f" import {told_runs[1]}, again {told_runs[2]};"
        f" {len(waits)} questions meanwhile, the slowest took {max(waits):.2f} s to store"
    )
    assert set(first.lines) >= lines(expected, again=False)
    assert rehearsed.lines == first.lines
    assert set(second.lines) >= lines(expected, again=True)
    assert await dump(database_url) == arrived
    assert max(run.peak_mb for run in (rehearsed, first, second)) < MAX_MB
    assert max(waits) < MAX_WAIT_SECONDS
    check(expected, arrived, voyage)


@pytest.mark.prove
@pytest.mark.timeout(900)
@on_both_databases
async def test_a_big_import_killed_again_and_again(
    voyage: Voyage, database: Database, database_url: str, expected: Expected
) -> None:
    variables = environ(voyage, database_url)
    places = (1, 9_000, 25_000, 41_000)
    for place in places:
        process = await start(**variables)
        while await stored(database) < place:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)
        process.kill()
        await process.communicate()
        assert process.returncode == -9
    left = await stored(database)
    last: Measured = await measure(**variables)
    arrived = await dump(database_url)

    print(  # noqa: T201 - the figures of the proof
        f"{database_url.partition(':')[0]}: killed {len(places)} times; the last {MESSAGES - left} of {MESSAGES}"
        f" messages took {last.seconds:.1f} s"
    )
    check(expected, arrived, voyage)
    assert set((await measure(**variables)).lines) >= lines(expected, again=True)
    assert await dump(database_url) == arrived
