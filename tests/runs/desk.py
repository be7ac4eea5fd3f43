"""A runner on a real database, with one conversation in it."""

import asyncio
import itertools
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from app.db import conversations, messages, runs
from app.db.event_store import EventStore
from app.db.models import Message, Run
from app.db.session import Database
from app.providers.provider import Deadlines, Provider
from app.providers.registry import Registry
from app.runs.clock import Clock
from app.runs.credentials import InstanceKey
from app.runs.event_log import EventLog
from app.runs.hub import RunHub
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.retry import RetryPolicy
from app.runs.runner import Runner
from app.runs.send import SendMessage
from app.runs.spill import Spill
from app.secret import Secret
from app.vault import Vault, generate_key
from tests.runs.following import follow
from tests.runs.scripted import ScriptedClient

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CONVERSATION = UUID(int=0xC0)
PROVIDER = Provider(id="acme", label="Acme", api_base="https://acme.example/v1", default_model="acme-1")
OTHER = replace(PROVIDER, id="other", label="Other", default_model="other-1")
KEYLESS = replace(PROVIDER, id="local", label="Local", needs_api_key=False)
LIMITS = RunLimits(
    retry=RetryPolicy(base_s=0.0),
    store_pauses_s=(0.0, 0.0),
    late_store_pauses_s=(0.01,) * 500,
    close_s=0.05,
    backlog_s=2.0,
)


@dataclass(frozen=True)
class Desk:
    """What a test of runs needs at hand."""

    database: Database
    runner: Runner
    client: ScriptedClient

    @property
    def hub(self) -> RunHub:
        return self.runner.hub

    async def send(self, text: str = "Where to?", **fields: Any) -> LiveRun:
        send = SendMessage(user_id="ada", conversation_id=CONVERSATION, text=text, request_id="req-1")
        run = await self.runner.start(replace(send, **fields))
        assert isinstance(run, LiveRun)
        return run

    async def stored(self, conversation_id: UUID = CONVERSATION) -> Sequence[Message]:
        async with self.database.read() as session:
            return await messages.list_messages(session, user_id="ada", conversation_id=conversation_id)

    async def answer(self) -> Message:
        return (await self.stored())[-1]

    async def run_row(self, run: LiveRun) -> Run:
        async with self.database.read() as session:
            return await runs.get_run(session, user_id="ada", run_id=run.run_id)

    async def new_conversations(self, *ids: UUID) -> None:
        async with self.database.write() as session:
            for one in ids:
                await conversations.create_conversation(session, user_id="ada", conversation_id=one, title="", now=NOON)

    async def idle(self) -> None:
        """Wait until no run is live."""
        await until(lambda: self.hub.count == 0)


INSTANCE_KEY = InstanceKey(provider="acme", api_key=Secret("sk-acme-instance"))


@asynccontextmanager
async def open_desk(
    database: Database,
    client: ScriptedClient,
    *,
    deadlines: Deadlines | None = None,
    limits: RunLimits = LIMITS,
    hub: RunHub | None = None,
    instance_key: InstanceKey | None = INSTANCE_KEY,
) -> AsyncGenerator[Desk]:
    """Open a desk; its clock stands still, its ids are counted. Leaving it proves that no task is left."""
    before = asyncio.all_tasks()
    rows = [replace(row, deadlines=deadlines or Deadlines()) for row in (PROVIDER, OTHER, KEYLESS)]
    ids = (UUID(int=number) for number in itertools.count(1))
    folder = Path(tempfile.mkdtemp(prefix="gateway-spill-"))
    log = EventLog(EventStore(database), Spill(folder, "desk"))
    log.open()
    runner = Runner(
        database=database,
        vault=Vault.from_config(Secret(generate_key()), None),
        registry=Registry({row.id: row for row in rows}),
        client=client,
        hub=hub or RunHub(),
        log=log,
        limits=limits,
        instance_key=instance_key,
        clock=Clock(now=lambda: NOON),
        new_id=lambda: next(ids),
    )
    desk = Desk(database, runner, client)
    await desk.new_conversations(CONVERSATION)
    try:
        yield desk
    finally:
        await runner.hub.drain()
        await log.close()
        shutil.rmtree(folder)
    assert asyncio.all_tasks() - before == set()
    assert desk.hub.count == 0


@asynccontextmanager
async def without_runs(url: str) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """Break a SQLite database for a while: its runs are gone until the block, or the function it gives, ends that."""
    path = url.removeprefix("sqlite:///")

    def rename(name: str, other: str) -> None:
        with closing(sqlite3.connect(path, timeout=5)) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            if name in names:
                connection.execute(f"ALTER TABLE {name} RENAME TO {other}")

    async def repair() -> None:
        await asyncio.to_thread(rename, "runs_away", "runs")

    await asyncio.to_thread(rename, "runs", "runs_away")
    try:
        yield repair
    finally:
        await repair()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something observable, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - anything observable has no event
            await asyncio.sleep(0.001)


async def events(run: LiveRun, after: int = 0) -> list[dict[str, Any]]:
    """Everything a reader of the run gets, to the end."""
    async with asyncio.timeout(10):
        return [orjson.loads(entry.data) async for batch in follow(run.journal, after) for entry in batch]


async def ending(run: LiveRun) -> dict[str, Any]:
    """The terminal event, after a check that it is the only one."""
    told = await events(run)
    assert [event["type"] for event in told if "status" in event] == [told[-1]["type"]]
    return told[-1]


def text_of(told: list[dict[str, Any]]) -> str:
    return "".join(event["content"] for event in told if event["type"] == "message.delta")
