"""Readers of what another process writes, as they see it in the database, a few events at a time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest

from app.db import conversations
from app.db.run_events import trim_events
from app.db.session import Database
from app.entry import Entry
from app.events import RunStatus
from app.providers.model import TextDelta
from app.runs import readers as readers_module
from app.runs.hub import RunHub
from app.runs.live import LiveRun
from app.runs.readers import Readers
from app.wakeups import Wakeups
from tests.runs.desk import CONVERSATION, NOON, Desk, events, open_desk
from tests.runs.scripted import STOP, Pause, ScriptedClient, Step

TEXTS = ("Lis", "bon", " is", " lovely")


@pytest.fixture
def pauses() -> list[Pause]:
    return [Pause() for _ in TEXTS]


@pytest.fixture(autouse=True)
def _one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers_module, "FIRST_EVENTS", 1)
    monkeypatch.setattr(readers_module, "BATCH_BYTES", 1)


@asynccontextmanager
async def _desk(database: Database, pauses: Sequence[Pause]) -> AsyncGenerator[tuple[Desk, Readers]]:
    """Give a desk whose every text is one event, and readers of another process, which knows no run."""
    steps: list[Step] = [step for text, pause in zip(TEXTS, pauses, strict=True) for step in (TextDelta(text), pause)]
    async with open_desk(database, ScriptedClient([*steps, STOP])) as opened:
        yield opened, Readers(database, RunHub(), Wakeups())
        for pause in pauses:
            pause.release.set()


async def _written(desk: Desk, pauses: Sequence[Pause]) -> LiveRun:
    """Give a run that has shown a text for each of `pauses`, and waits at the last of them."""
    run = await desk.send()
    for pause in pauses:
        await pause.reached.wait()
        await run.journal.saved()
        if pause is not pauses[-1]:
            pause.release.set()
    return run


async def _trim(database: Database) -> None:
    async with database.write() as session:
        assert await trim_events(session, ended_before=NOON + timedelta(days=1), limit=10) == 1


async def _rest(batches: AsyncGenerator[Sequence[Entry]]) -> list[Entry]:
    async with asyncio.timeout(20):
        return [entry async for batch in batches for entry in batch]


def _told(entry: Entry) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(entry.data)
    return event


async def test_events_that_go_while_they_are_read_are_one_snapshot(database: Database, pauses: list[Pause]) -> None:
    async with _desk(database, pauses) as (desk, readers):
        run = await _written(desk, pauses)
        pauses[-1].release.set()
        shown = await events(run)
        await desk.idle()
        batches = readers.follow(run.run_id, user_id="ada")
        first = await anext(batches)
        await _trim(database)

        (last,) = await _rest(batches)
        behind = await _rest(readers.follow(run.run_id, shown[-1]["seq"], user_id="ada"))

    assert [entry.seq for entry in first] == [1]
    assert (last.type, last.seq) == ("message.snapshot", shown[-1]["seq"])
    assert _told(last)["snapshot"]["content"] == "Lisbon is lovely"
    assert behind == []


@pytest.mark.prove
async def test_whoever_reads_much_is_let_go_when_the_process_ends(database: Database, pauses: list[Pause]) -> None:
    """With the text up to there, as a client that reads on has no more than that."""
    async with _desk(database, pauses) as (desk, readers):
        run = await _written(desk, pauses)
        batches = readers.follow(run.run_id, user_id="ada")
        seen = [await anext(batches) for _ in range(3)]
        readers.leave()

        (detached,) = await _rest(batches)
        status = (await desk.run_row(run)).status

    assert [entry.seq for batch in seen for entry in batch] == [1, 2, 3]
    assert (detached.seq, detached.type) == (0, "stream.detached")
    assert _told(detached)["error"].startswith("Lisbon\n\n")
    assert _told(detached)["resume_url"] == f"/api/chat/runs/{run.run_id}/stream/"
    assert status == RunStatus.RUNNING


async def test_whoever_reads_what_is_deleted_is_told_that_it_is_gone(database: Database, pauses: list[Pause]) -> None:
    async with _desk(database, pauses) as (desk, readers):
        run = await _written(desk, pauses[:1])
        waiting = asyncio.create_task(_rest(readers.follow(run.run_id, after=2, user_id="ada")))
        async with database.write() as session:
            await conversations.delete_conversation(session, user_id="ada", conversation_id=CONVERSATION)

        (last,) = await waiting

    assert (last.seq, last.type, _told(last)["error_category"]) == (0, "stream.detached", "not_found")
