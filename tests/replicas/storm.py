"""Five clients that write, and processes that are killed under them at random moments."""

import asyncio
import itertools
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.replicas.history import Figures, Recorder, check_history
from tests.replicas.pair import Pair
from tests.replicas.play import Play
from tests.replicas.reading import Ended

CLIENTS: Final = 5
STUCK_S: Final = 30.0
"""A run that takes longer counts as stuck."""
_AGAIN_S: Final = 0.05


@dataclass(slots=True)
class Storm:
    """The clients know every replica, as behind a router, and go on at another one when theirs is gone."""

    pair: Pair
    chance: random.Random
    recorders: list[Recorder] = field(default_factory=list[Recorder])
    refused: Counter[int | None] = field(default_factory=Counter[int | None])
    """How often a message had to be sent again, by status; None where nobody answered."""
    live: list[int] = field(default_factory=list[int])
    """How many clients were in the middle of an answer, for each moment."""
    slowest_s: float = 0.0
    """From the first try to send a message to its terminal event, the time included in which nobody served."""
    _over: bool = False

    @property
    def cut(self) -> int:
        """How many responses broke off."""
        return sum(reading.end is Ended.CUT for recorder in self.recorders for reading in recorder.readings)

    async def rage(self, moments: int) -> Figures:
        """Kill at so many moments and give what the history checker finds; raises `HistoryBroken`."""
        self.recorders = [await Recorder.create(self.pair.clients[0]) for _ in range(CLIENTS)]
        async with asyncio.TaskGroup() as talking:
            for recorder in self.recorders:
                talking.create_task(self._talk(recorder))
            for _ in range(moments):
                await self._kill_one()
            self._over = True
        return await check_history(self.recorders, self.pair.clients[-1], seconds=STUCK_S)

    async def _kill_one(self) -> None:
        target = self.chance.choice(self.pair.replicas)
        await asyncio.sleep(self.chance.uniform(0.1, 0.9))  # the moment is what is random
        self.live.append(sum(_in_the_middle(recorder) for recorder in self.recorders))
        await target.kill()
        if len(self.pair.replicas) > 1:
            # The other one is alone for less than a lease, or for longer.
            await asyncio.sleep(self.chance.uniform(0.0, 2.0))
        await target.restart()

    async def _talk(self, recorder: Recorder) -> None:
        """Send one message after the other and stay with each until its end."""
        loop = asyncio.get_running_loop()
        while not self._over:
            began = loop.time()
            async with asyncio.timeout(STUCK_S):
                await self._send(recorder)
            if not recorder.over:
                await recorder.follow(self._shuffled(), seconds=STUCK_S)
            self.slowest_s = max(self.slowest_s, loop.time() - began)

    async def _send(self, recorder: Recorder) -> None:
        """Send a message, with the same key until somebody has it."""
        key = secrets.token_hex(6)
        play = Play(chunks=self.chance.randint(10, 60), pace_ms=self.chance.choice((5, 10, 20, 40)))
        for http in itertools.cycle(self._shuffled()):
            reading = await recorder.send(http, f"{play} #{key}", key=key)
            if reading.accepted:
                return
            self.refused[reading.status] += 1
            await asyncio.sleep(_AGAIN_S)

    def _shuffled(self) -> Sequence[httpx.AsyncClient]:
        return self.chance.sample(self.pair.clients, len(self.pair.clients))


def _in_the_middle(recorder: Recorder) -> bool:
    reading = recorder.readings[-1] if recorder.readings else None
    return reading is not None and reading.end is Ended.OPEN and bool(reading.frames) and not reading.over
