"""What was learned about wires: in memory for a while, in the database for longer and for other processes."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, final

import structlog

from app.db import learned_wires
from app.db.learned_wires import Place
from app.db.session import Database, Session
from app.errors import StorageUnavailable
from app.providers.provider import Provider, Wire
from app.runs.clock import utc_now

KEEP_S: Final = 30.0
"""How old the notes of a provider may be; a model that moved costs each process one refused call in that time."""
AGAIN_S: Final = 5.0
"""How soon a database that did not answer is asked again."""
STORE_S: Final = 2.0
"""How long a call waits for the database; what was learned is worth less than the person's time."""
MAX_MODELS: Final = 1_000
"""Notes of one provider; no gateway moves a tenth of it."""
_log: Final[Any] = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Notes:
    """What is known at one place, as of a moment."""

    wires: dict[str, Wire] = field(default_factory=dict[str, Wire])
    good_until: float = -math.inf
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who reads or writes the database, so that neither overtakes the other."""

    def add(self, model: str, wire: Wire) -> None:
        """Note the newest; the oldest makes room."""
        self.wires.pop(model, None)
        self.wires[model] = wire
        while len(self.wires) > MAX_MODELS:
            del self.wires[next(iter(self.wires))]


@final
class WireMemory:
    """The `LearnedWires` of a process; where the database is away, what is in memory is all there is."""

    def __init__(
        self,
        database: Database,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Keep what is learned in `database`, which stays its owner's."""
        self._database = database
        self._monotonic = monotonic
        self._now = now
        self._notes: dict[Place, _Notes] = {}

    async def find(self, provider: Provider, model: str, *, fresh: bool = False) -> Wire | None:
        """Give what is known of a model; asks the database where that is too old, or with `fresh`."""
        place, notes = self._at(provider)
        asked = self._monotonic()
        if fresh or asked >= notes.good_until:
            try:
                async with asyncio.timeout(STORE_S), notes.turn:
                    # Who waited for this turn may have been given the answer meanwhile.
                    if fresh or asked >= notes.good_until:
                        await self._read(place, notes)
            except (StorageUnavailable, TimeoutError):
                _log.warning("wires.not_read", provider=provider.id)
                notes.good_until = max(notes.good_until, self._monotonic() + AGAIN_S)
        return notes.wires.get(model)

    async def learn(self, provider: Provider, model: str, wire: Wire) -> None:
        """Keep it here and, if it can be had, in the database."""
        place, notes = self._at(provider)

        async def store(session: Session) -> None:
            await learned_wires.learn_wire(session, place, model=model, wire=wire.value, now=self._now())

        await self._change(place, lambda: notes.add(model, wire), store)

    async def unlearn(self, provider: Provider, model: str, wire: Wire) -> None:
        """Forget it here and in the database, unless another one was learned meanwhile."""
        place, notes = self._at(provider)

        def forget() -> None:
            if notes.wires.get(model) is wire:
                del notes.wires[model]

        async def store(session: Session) -> None:
            await learned_wires.unlearn_wire(session, place, model=model, wire=wire.value)

        await self._change(place, forget, store)

    def _at(self, provider: Provider) -> tuple[Place, _Notes]:
        """Give the notes of a provider; there are as many as the registry has providers."""
        place = Place(provider=provider.id, origin=provider.origin)
        return place, self._notes.setdefault(place, _Notes())

    async def _read(self, place: Place, notes: _Notes) -> None:
        began = self._monotonic()
        async with self._database.read() as session:
            rows = await learned_wires.list_learned(session, place, limit=MAX_MODELS)
        known = {wire.value: wire for wire in Wire}
        # The oldest first, as `add` keeps them; a newer version may know further wires.
        notes.wires = {model: known[wire] for model, wire in reversed(rows) if wire in known}
        notes.good_until = began + KEEP_S

    async def _change(
        self, place: Place, change: Callable[[], None], store: Callable[[Session], Awaitable[None]]
    ) -> None:
        try:
            async with asyncio.timeout(STORE_S), self._notes[place].turn:
                change()
                async with self._database.write() as session:
                    await store(session)
        except (StorageUnavailable, TimeoutError):
            _log.warning("wires.not_stored", provider=place.provider)
