"""A run with many more events than a test could wait for: the rest is written into the SQLite file behind its back."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any, Final
from uuid import UUID

import httpx
import orjson

from tests.replicas.play import Play
from tests.replicas.recorder import Recorder

_INSERT: Final = "INSERT INTO run_events (run_id, seq, type, data) VALUES (?, ?, 'message.delta', ?)"


async def long_run(http: httpx.AsyncClient, database_url: str, *, events: int, size: int) -> tuple[Recorder, str]:
    """Give a conversation and its run, which is over and has `events` events of about `size` bytes."""
    recorder = await Recorder.create(http)
    reading = await recorder.send(http, Play(chunks=1))
    assert reading.over
    await asyncio.to_thread(_lengthen, database_url, reading.run_id, events, size)
    return recorder, reading.run_id


def _lengthen(database_url: str, run_id: str, events: int, size: int) -> None:
    key = UUID(run_id).hex
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=10)) as connection:
        kind, data = connection.execute(
            "SELECT type, data FROM run_events WHERE run_id = ? ORDER BY seq DESC LIMIT 1", (key,)
        ).fetchone()
        last: dict[str, Any] = orjson.loads(data)
        first = last["seq"]
        connection.execute("DELETE FROM run_events WHERE run_id = ? AND seq = ?", (key, first))
        connection.executemany(_INSERT, ((key, seq, _delta(run_id, seq, size)) for seq in range(first, events)))
        values = (key, events, kind, orjson.dumps(last | {"seq": events}).decode())
        connection.execute("INSERT INTO run_events (run_id, seq, type, data) VALUES (?, ?, ?, ?)", values)
        connection.execute("UPDATE runs SET last_seq = ? WHERE id = ?", (events, key))
        connection.commit()


def _delta(run_id: str, seq: int, size: int) -> str:
    event = {"v": 1, "type": "message.delta", "seq": seq, "run_id": run_id, "message_id": run_id}
    return orjson.dumps(event | {"content": f"{seq} ".rjust(size, "·")}).decode()
