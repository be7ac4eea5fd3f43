"""What was learned about wires: shared by processes, aged, and never a reason for a call to fail."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from alembic import command

from app.db.learned_wires import Place, learn_wire, list_learned, unlearn_wire
from app.db.migrate import migration_config, upgrade
from app.db.revision import current_revision_is_head
from app.db.session import Database
from app.providers.catalog import CATALOG
from app.providers.provider import Wire
from app.runs import wire_memory
from app.runs.wire_memory import AGAIN_S, KEEP_S, WireMemory
from tests.db.rows import NOON, later

ZEN = next(row for row in CATALOG if row.id == "opencode_zen")
PLACE = Place(provider=ZEN.id, origin=ZEN.origin)
CHAT, RESPONSES = Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def second(database_url: str) -> AsyncIterator[Database]:
    """The same database as another process sees it."""
    opened = Database.open(database_url)
    yield opened
    await opened.close()


async def rows(database: Database) -> list[tuple[str, str]]:
    async with database.read() as session:
        return list(await list_learned(session, PLACE, limit=10))


async def test_the_last_one_learned_stands_and_is_forgotten_by_name(database: Database) -> None:
    for minute, (model, wire) in enumerate([("a", "gemini"), ("b", "gemini"), ("a", "openai_chat")]):
        async with database.write() as session:
            await learn_wire(session, PLACE, model=model, wire=wire, now=later(minute))
    assert await rows(database) == [("a", "openai_chat"), ("b", "gemini")]
    async with database.read() as session:
        assert await list_learned(session, PLACE, limit=1) == [("a", "openai_chat")]
        assert await list_learned(session, Place(provider="opencode_zen", origin="http://x"), limit=9) == []

    for model, wire in (("a", "gemini"), ("b", "gemini")):
        async with database.write() as session:
            await unlearn_wire(session, PLACE, model=model, wire=wire)

    assert await rows(database) == [("a", "openai_chat")]


async def test_it_is_there_after_a_restart_and_at_another_process(database: Database, second: Database) -> None:
    await WireMemory(database).learn(ZEN, "grok-4.7", CHAT)

    assert await WireMemory(database).find(ZEN, "grok-4.7") is CHAT
    assert await WireMemory(second).find(ZEN, "grok-4.7") is CHAT
    assert await WireMemory(second).find(ZEN, "grok-4.6") is None
    elsewhere = replace(ZEN, api_base="https://proxy.example.org/zen/v1")
    assert await WireMemory(second).find(elsewhere, "grok-4.7") is None


async def test_another_process_hears_of_it_when_its_notes_are_old(
    database: Database, second: Database, clock: Clock
) -> None:
    here, there = WireMemory(database, monotonic=clock), WireMemory(second, monotonic=clock)
    assert await there.find(ZEN, "grok-4.7") is None
    await here.learn(ZEN, "grok-4.7", CHAT)

    assert await there.find(ZEN, "grok-4.7") is None
    clock.now += KEEP_S
    assert await there.find(ZEN, "grok-4.7") is CHAT

    await here.unlearn(ZEN, "grok-4.7", CHAT)
    assert await here.find(ZEN, "grok-4.7") is None
    assert await there.find(ZEN, "grok-4.7") is CHAT
    assert await there.find(ZEN, "grok-4.7", fresh=True) is None


async def test_unlearning_what_another_process_has_replaced_leaves_that(database: Database, second: Database) -> None:
    here, there = WireMemory(database), WireMemory(second)
    await here.learn(ZEN, "grok-4.7", CHAT)
    await there.learn(ZEN, "grok-4.7", Wire.GEMINI)

    await here.unlearn(ZEN, "grok-4.7", CHAT)
    await there.unlearn(ZEN, "grok-4.7", CHAT)

    assert await rows(database) == [("grok-4.7", "gemini")]
    assert await there.find(ZEN, "grok-4.7") is Wire.GEMINI
    assert await here.find(ZEN, "grok-4.7", fresh=True) is Wire.GEMINI


async def test_many_who_ask_at_once_share_one_question(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def counted(*arguments: object, **options: object) -> object:
        nonlocal asked
        asked += 1
        return await list_learned(*arguments, **options)  # pyright: ignore[reportArgumentType]  # passed on

    monkeypatch.setattr(wire_memory.learned_wires, "list_learned", counted)
    memory = WireMemory(database)

    await asyncio.gather(*(memory.find(ZEN, "grok-4.7") for _ in range(20)))
    await memory.find(ZEN, "kimi-k3")

    assert asked == 1


async def test_a_wire_of_a_newer_version_is_not_taken(database: Database) -> None:
    async with database.write() as session:
        await learn_wire(session, PLACE, model="a", wire="telepathy", now=NOON)

    assert await WireMemory(database).find(ZEN, "a") is None


async def test_with_the_database_away_the_memory_of_the_process_serves(
    database_url: str, database: Database, clock: Clock
) -> None:
    memory = WireMemory(database, monotonic=clock)
    await memory.learn(ZEN, "kimi-k3", RESPONSES)
    await asyncio.to_thread(command.downgrade, migration_config(database_url), "0004")

    await memory.learn(ZEN, "grok-4.7", CHAT)

    assert await memory.find(ZEN, "grok-4.7") is CHAT
    clock.now += 10 * KEEP_S
    assert await memory.find(ZEN, "kimi-k3") is RESPONSES
    await asyncio.to_thread(upgrade, database_url)
    async with database.read() as session:
        assert await current_revision_is_head(session)
    assert await memory.find(ZEN, "grok-4.7") is CHAT, "it is not asked again at once"
    clock.now += AGAIN_S
    assert await memory.find(ZEN, "grok-4.7") is None


async def test_the_notes_of_a_provider_have_a_bound(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_memory, "MAX_MODELS", 3)
    memory = WireMemory(database)
    await memory.find(ZEN, "x")

    for number in range(5):
        await memory.learn(ZEN, f"m{number}", CHAT)

    found = [number for number in range(5) if await memory.find(ZEN, f"m{number}")]
    assert found == [2, 3, 4]
