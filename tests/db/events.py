"""Short ways to the events of runs."""

from uuid import UUID

from app.db.run_events import NewEvent, read_events
from app.db.session import Database
from app.entry import Entry


def entry(seq: int, content: str = "a", kind: str = "message.delta") -> Entry:
    return Entry(seq, kind, f'{{"seq":{seq},"content":"{content}"}}'.encode())


def new(run_id: UUID, *seqs: int, epoch: int = 1, content: str = "a") -> list[NewEvent]:
    return [NewEvent(run_id, epoch, entry(seq, content)) for seq in seqs]


async def stored(database: Database, run_id: UUID, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
    async with database.read() as session:
        return await read_events(session, run_id=run_id, after=after, limit=limit)


async def seqs(database: Database, run_id: UUID) -> list[int]:
    return [one.seq for one in await stored(database, run_id)]
