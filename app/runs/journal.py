"""The numbered events of one run: appended by the run, stored by the log, and then shown to any number of readers."""

from collections.abc import Sequence
from typing import Final, Protocol, final
from uuid import UUID

from app.entry import Entry, encode, fitting, join_deltas, text_of
from app.errors import GatewayError
from app.events import Event
from app.runs.pulse import Pulse

BATCH_ENTRIES: Final = 256
"""Most entries of one batch, so that the replay of a long answer is not one long piece of work."""
BATCH_BYTES: Final = 65_536
"""And most of their data: a reader that takes nothing holds one batch, and there may be hundreds of those."""
MAX_PENDING: Final = 1_000
"""Events that may wait to be stored; then whoever makes more has to wait."""


class Log(Protocol):
    """Stores what journals have pending, and publishes it in them."""

    def mark(self, journal: "Journal") -> None:
        """Take note that there is something pending; never waits."""
        ...


@final
class Journal:
    """Append-only; a reader has nothing but a cursor, so a slow one costs nothing and a late one misses nothing.

    With a log, an event is pending until it is stored and only then visible. Without one it is visible at once: for
    an answer that nobody can come back to.
    """

    def __init__(self, run_id: UUID, log: Log | None = None) -> None:
        """Open the empty journal of one run."""
        self.run_id = run_id
        self._name = str(run_id)
        self.epoch = 1
        self._log = log
        self._entries: list[Entry] = []
        self._pending: list[Event] = []
        self._numbered = 0
        self._taken = 0
        self._saved = 0
        self._kept = 0
        self._closed = False
        self._refused = False
        self._left = False
        self.left_with: GatewayError | None = None
        """Why readers are let go, if they are: see `leave`."""
        self._settled = Pulse()
        self._grown = Pulse()

    def restore(self, entries: Sequence[Entry]) -> None:
        """Begin with what the database has of a run that another process has had in hand: all of it, from the first."""
        self._entries = list(entries)
        self._numbered = self._taken = self._saved = self._kept = len(self._entries)

    @property
    def last_seq(self) -> int:
        """Number of the newest visible entry, 0 before the first."""
        return len(self._entries)

    @property
    def closed(self) -> bool:
        """Whether the terminal event is visible."""
        return self._closed

    @property
    def refused(self) -> bool:
        """Whether the database takes nothing more: somebody else has ended the run, or it is gone."""
        return self._refused

    @property
    def all_visible(self) -> bool:
        """Whether everything that was appended is visible, stored or not; a number that came to nothing is no event."""
        return not self._pending and self._taken <= self.last_seq

    @property
    def full(self) -> bool:
        """Whether the run is ahead of the storage by so much that it has to wait: see `room`."""
        return len(self._pending) >= MAX_PENDING

    def append(self, event: Event) -> None:
        """Add `event`; raises `RuntimeError` on a closed journal: a run has exactly one end."""
        if self._closed:
            message = f"{event.type} after the end of the run"
            raise RuntimeError(message)
        if self._refused:
            return
        if self._log is None:
            self.publish((self.number(event),))
            return
        self._pending.append(event)
        self._log.mark(self)

    def number(self, event: Event) -> Entry:
        """Give the next number to an event that its caller stores, and then publishes, itself."""
        self._numbered += 1
        return encode(event, run_id=self._name, seq=self._numbered)

    def renumber(self, event: Event) -> Entry:
        """Give `event` the number after the newest visible entry, whatever was numbered and came to nothing."""
        self._numbered = self.last_seq
        return self.number(event)

    def take(self) -> list[Entry]:
        """Number what is pending, for the log; text that came together is one entry."""
        events, self._pending = self._pending, []
        if len(events) != 1:
            events = join_deltas(events)
        entries = [self.number(event) for event in events]
        self._taken = self._numbered
        self._settled.beat()
        return entries

    def publish(self, entries: Sequence[Entry], *, saved: bool = True) -> None:
        """Make entries visible; the terminal one closes the journal in the same moment.

        `saved` is False for those that the database has yet to get: see `mark_saved`.
        """
        if self._closed or not entries:
            return
        self._entries.extend(entries)
        self._closed = entries[-1].terminal
        if saved:
            self._saved = self._entries[-1].seq
        self._settled.beat()
        self._grown.beat()

    def publish_kept(self, entry: Entry) -> None:
        """Make an entry visible that its caller has put where readers of the database look for it."""
        self.publish((entry,))
        self.mark_kept(entry.seq)

    def mark_saved(self, seq: int) -> None:
        """Take note that the database has everything up to `seq`."""
        self._saved = max(self._saved, seq)
        self._settled.beat()

    def mark_kept(self, seq: int) -> None:
        """Take note that everything up to `seq` is where readers of the database look for it."""
        self._kept = max(self._kept, seq)

    def unkept_before(self, seq: int) -> Sequence[Entry]:
        """Give what is visible before number `seq` and is not there yet: the end of the run is stored with it."""
        return self._entries[self._kept : seq - 1]

    def refuse(self) -> None:
        """Take nothing more, as the database does not: what is pending is nobody's any more."""
        self._refused = True
        self._pending.clear()
        self._settled.beat()

    def leave(self, error: GatewayError | None = None) -> None:
        """Let readers go although the run has not ended for them: they find its end where it is stored.

        `error` is why; the first one stands.
        """
        if not self._left and not self._closed:
            self.left_with = error
            self._left = True
            self._grown.beat()

    async def room(self) -> None:
        """Wait while the journal is full."""
        while self.full:
            await self._settled.wait()

    async def saved(self) -> None:
        """Wait until the database has everything that was appended, or refuses it.

        A number that came to nothing, as a last event that could not be stored, does not count.
        """
        while not self._refused and (self._pending or self._saved < self._taken):
            await self._settled.wait()

    async def saved_before(self, seq: int) -> None:
        """Wait until the database has everything before number `seq`, or refuses it."""
        while not self._refused and self._saved < seq - 1:
            await self._settled.wait()

    @property
    def over(self) -> bool:
        """Whether no further entry becomes visible here: see `closed` and `leave`."""
        return self._closed or self._left

    def batch(self, after: int) -> tuple[Entry, ...]:
        """Give what is visible after entry `after`, as much as one write of a reader takes; perhaps nothing."""
        entries = self._entries[after : after + BATCH_ENTRIES]
        return tuple(entries) if len(entries) <= 1 else tuple(fitting(entries, BATCH_BYTES))

    async def grown(self) -> None:
        """Wait until more is visible, or nothing more will be."""
        await self._grown.wait()

    def shown_text(self) -> str:
        """Give the text that readers have seen by now."""
        return text_of(self._entries)
