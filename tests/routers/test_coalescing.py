"""How pieces of text become events: each its own while there is little to do, many in one while the store is busy."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import orjson
import pytest

from app.db.event_store import Appended, EventStore
from app.db.run_events import NewEvents
from app.entry import MAX_DELTA_CHARS
from app.providers.model import ReasoningTextDelta, TextDelta
from tests.replicas.body import Body, sending
from tests.replicas.sides import Side, Sides, Store, new_conversation
from tests.runs.scripted import STOP, Pause


@pytest.fixture
async def side(sqlite_url: str) -> AsyncGenerator[Side]:
    async with Sides.open(Store(sqlite_url)) as sides:
        yield sides.writer


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Keep the store busy while this is not set."""
    opened = asyncio.Event()
    append = EventStore.append

    async def slow(self: EventStore, events: Sequence[NewEvents]) -> Appended:
        await opened.wait()
        return await append(self, events)

    monkeypatch.setattr(EventStore, "append", slow)
    return opened


def _told(body: Body) -> list[dict[str, Any]]:
    *events, _ = body.frames
    return [orjson.loads(frame.rpartition(b"\ndata: ")[2]) for frame in events]


async def test_each_piece_is_shown_at_once_while_there_is_nothing_else_to_do(side: Side) -> None:
    pieces = [f"{number} " for number in range(20)]
    pauses = [Pause() for _ in pieces]
    side.model.play([step for pair in zip(map(TextDelta, pieces), pauses, strict=True) for step in pair] + [STOP])
    async with sending(side.http, await new_conversation(side)) as body:
        for piece, pause in zip(pieces, pauses, strict=True):
            await pause.reached.wait()
            await body.until(lambda piece=piece: f'"content":"{piece}"'.encode() in body.content)
            pause.release.set()
        await body.whole()

    assert [event["content"] for event in _told(body) if "content" in event] == pieces


async def test_pieces_that_come_together_while_the_store_is_busy_are_one_event(side: Side, door: asyncio.Event) -> None:
    """The first one is with the store while the others come."""
    first, behind = Pause(), Pause()
    texts = [f"{number} " for number in range(100)]
    long = "x" * (MAX_DELTA_CHARS // 3)
    reasoning = ReasoningTextDelta("Hm"), ReasoningTextDelta("m ")
    many = (*map(TextDelta, texts), *reasoning, *[TextDelta(long)] * 7)
    side.model.play([TextDelta("One "), first, *many, behind, STOP])
    async with sending(side.http, await new_conversation(side)) as body:
        await first.reached.wait()
        first.release.set()
        await behind.reached.wait()
        assert len(body.frames) == 1
        door.set()
        await body.until(lambda: body.content.count(long.encode()) == 7)
        behind.release.set()
        await body.whole()

    shown = [event.get("content") or event.get("reasoning") for event in _told(body)[1:-1]]
    assert shown == ["One ", "".join(texts), "Hmm ", long * 3, long * 3, long]
    assert all(len(text) <= MAX_DELTA_CHARS for text in shown if text)
