"""The numbered events of one run: appended by the run, followed by any number of readers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, final
from uuid import UUID

from app.events import Event, RunEnded, encode

BATCH_ENTRIES: Final = 256
"""Most entries of one batch, so that the replay of a long answer is not one long piece of work."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it goes on the wire, encoded once for all readers."""

    seq: int
    type: str
    data: bytes


@final
class Journal:
    """Append-only; a reader has nothing but a cursor, so a slow one costs nothing and a late one misses nothing.

    Readers know only `follow`, `last_seq` and `closed`, and `append` does not promise that an entry is visible at
    once: a durable journal can stand behind the same four names.
    """

    def __init__(self, run_id: UUID) -> None:
        """Open the empty journal of one run."""
        self.run_id = run_id
        self._entries: list[Entry] = []
        self._closed = False
        self._grown = asyncio.Event()

    @property
    def last_seq(self) -> int:
        """Number of the newest entry, 0 before the first."""
        return len(self._entries)

    @property
    def closed(self) -> bool:
        """Whether the terminal event is in."""
        return self._closed

    def append(self, event: Event) -> Entry:
        """Number `event` and wake the readers; the terminal event closes the journal in the same moment.

        Raises `RuntimeError` on a closed journal: a run has exactly one end.
        """
        if self._closed:
            message = f"{event.type} after the end of the run"
            raise RuntimeError(message)
        seq = self.last_seq + 1
        entry = Entry(seq, event.type, encode(event, run_id=str(self.run_id), seq=seq))
        self._entries.append(entry)
        self._closed = isinstance(event, RunEnded)
        self._grown.set()
        self._grown = asyncio.Event()
        return entry

    async def follow(self, after: int = 0) -> AsyncIterator[tuple[Entry, ...]]:
        """Give what comes after entry `after`, in batches of everything there is, until the terminal event.

        Gives the loop a turn before every batch, so a replay never keeps it to itself.
        """
        cursor = after
        while not (self._closed and cursor >= self.last_seq):
            await asyncio.sleep(0)
            if cursor >= self.last_seq:
                await self._grown.wait()
                continue
            batch = tuple(self._entries[cursor : cursor + BATCH_ENTRIES])
            cursor += len(batch)
            yield batch
