"""A replica that is held past its lease and goes on: others have ended its runs, and what it writes late is refused."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.db.models import Message, Run, RunEvent
from app.db.session import Database
from tests.replicas.history import Recorder, check_history
from tests.replicas.pair import Pair, replicas_of
from tests.replicas.play import Play
from tests.replicas.reading import Ended, Reading

TOLD_S = 25.0
"""A process that is held amid a transaction keeps its locks for ten seconds, besides the lease; the deadlines of the
model call are much longer, of which the first ends after a minute."""


@dataclass(frozen=True, slots=True)
class Held:
    """A run of the replica that is held, and two clients of it: at that replica, and at the other one."""

    there: Recorder
    here: Recorder
    reading: "asyncio.Task[Reading]"

    @property
    def run_id(self) -> str:
        return self.there.run_id

    @property
    def text(self) -> str:
        return self.there.sent[0].text


async def begin(pair: Pair, play: Play, *, seen: int, conversation: str = "", **fields: str) -> Held:
    """Begin a run at the first replica and wait until the client there has seen so many events."""
    there = Recorder(conversation) if conversation else await Recorder.create(pair.clients[0])
    there.body |= fields
    reading = asyncio.create_task(there.send(pair.clients[0], play))
    await there.until(lambda: there.seen >= seen)
    return Held(there, Recorder(there.conversation), reading)


def end_of(reading: Reading) -> dict[str, Any]:
    """Give the terminal event; its number may be another one where events that came to nothing were shown before it."""
    event = reading.frames[-1].event
    assert reading.frames[-1].terminal
    return {name: value for name, value in event.items() if name not in {"seq", "durable"}}


async def stored(url: str, held: Sequence[Held]) -> dict[str, list[Any]]:
    """Give everything that the database has of the runs."""
    database = Database.open(url)
    ids = [UUID(one.run_id) for one in held]
    statements = {
        "runs": select(Run.__table__).where(Run.id.in_(ids)).order_by(Run.id),
        "messages": select(Message.__table__).where(Message.run_id.in_(ids)).order_by(Message.id),
        "run_events": select(RunEvent.__table__)
        .where(RunEvent.run_id.in_(ids))
        .order_by(RunEvent.run_id, RunEvent.seq),
    }
    try:
        async with database.read() as session:
            return {name: [*map(tuple, await session.execute(one))] for name, one in statements.items()}
    finally:
        await database.close()


async def test_a_replica_that_was_held_past_its_lease_writes_nothing_more(postgres_url: str, tmp_path: Path) -> None:
    async with replicas_of(postgres_url, tmp_path) as pair:
        writing = await begin(pair, Play(chunks=600, pace_ms=5), seen=5)
        silent = await begin(pair, Play(chunks=4, gate="never", at=2), seen=2)
        waiting = await begin(pair, Play(), seen=1, conversation=silent.there.conversation, on_conflict="enqueue")
        held = (writing, silent, waiting)
        await pair.replicas[0].pause()
        async with asyncio.timeout(TOLD_S):
            ends = await asyncio.gather(*(one.here.resume(pair.clients[1], run_id=one.run_id, after=0) for one in held))
        before = await stored(postgres_url, held)
        await pair.upstream.until(lambda: pair.upstream.calls_for(writing.text)[0].answered_at is not None)
        await pair.replicas[0].resume()
        async with asyncio.timeout(TOLD_S):
            told = await asyncio.gather(*(one.reading for one in held))
        await pair.upstream.closed(silent.text)

        assert [reading.frames[-1].type for reading in ends] == ["run.interrupted"] * 3
        assert [end_of(reading) for reading in told] == [end_of(reading) for reading in ends]
        assert {reading.end for reading in (*ends, *told)} == {Ended.DONE}
        assert len(pair.upstream.calls) == 2
        await _serves(pair, held)
        assert await stored(postgres_url, held) == before
        assert pair.unexplained() == []


async def _serves(pair: Pair, held: Sequence[Held]) -> None:
    """See that the replica takes messages again, in the same conversations, and that all is one history."""
    recorders = {one.there.conversation: one.there for one in held}
    for recorder in recorders.values():
        recorder.body.pop("on_conflict", None)
        reading = await recorder.send(pair.clients[0], Play(chunks=2))
        assert (reading.end, reading.frames[-1].type) == (Ended.DONE, "run.completed"), reading.body
    for one in held:
        whole = recorders[one.there.conversation]
        whole.readings += [*one.here.readings, *(one.there.readings if one.there is not whole else [])]
        whole.sent += one.there.sent if one.there is not whole else []
    figures = await check_history([*recorders.values()], pair.clients[0])
    assert (figures.events_lost, figures.events_changed) == (0, 0)
    assert figures.ends == {"run.interrupted": 3, "run.completed": 2}
