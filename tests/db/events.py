"""Short ways to the events of runs."""

from uuid import UUID

from app.db.event_store import EventStore
from app.db.run_events import NewEvents, read_events
from app.db.session import Database
from app.entry import Entry


def entry(seq: int, content: str = "a", kind: str = "message.delta") -> Entry:
    return Entry(seq, kind, f'{{"type":"{kind}","seq":{seq},"content":"{content}"}}'.encode())


def new(run_id: UUID, *seqs: int, epoch: int = 1, content: str = "a") -> NewEvents:
    return NewEvents(run_id, epoch, [entry(seq, content) for seq in seqs])


async def stored(database: Database, run_id: UUID, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
    """Give what a process that starts now would find."""
    starting = EventStore(database)
    await starting.recover()
    await starting.close()
    async with database.read() as session:
        return await read_events(session, run_id=run_id, after=after, limit=limit)


async def seqs(database: Database, run_id: UUID) -> list[int]:
    return [one.seq for one in await stored(database, run_id)]
