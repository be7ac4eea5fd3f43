"""Events on their way into the database, and how many of them go there at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.db.run_events import NewEvents
from app.entry import Entry
from app.runs.journal import Journal

TRANSACTION_EVENTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one run that are numbered and not in the database yet."""

    journal: Journal
    entries: Sequence[Entry]

    def new(self) -> NewEvents:
        """Give it as the store takes it."""
        return NewEvents(self.journal.run_id, self.journal.epoch, self.entries)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(entry.data) for entry in self.entries)

    def not_durable(self) -> "Batch":
        """Give it as readers see what only the spill file has."""
        return Batch(self.journal, [entry.not_durable() for entry in self.entries])


def parts(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Give the batches in the order they have, at most `TRANSACTION_EVENTS` at a time."""
    part: list[Batch] = []
    room = TRANSACTION_EVENTS
    for batch in batches:
        entries = batch.entries
        while len(entries) >= room:
            yield [*part, Batch(batch.journal, entries[:room])]
            entries, part, room = entries[room:], [], TRANSACTION_EVENTS
        if entries:
            part.append(Batch(batch.journal, entries))
            room -= len(entries)
    if part:
        yield part


def first_part(backlog: Iterable[Batch]) -> list[Batch]:
    """Give the first batches, whole ones, until there are `TRANSACTION_EVENTS` of events."""
    part: list[Batch] = []
    events = 0
    for batch in backlog:
        part.append(batch)
        events += len(batch.entries)
        if events >= TRANSACTION_EVENTS:
            break
    return part
