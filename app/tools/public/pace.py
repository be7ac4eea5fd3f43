"""How often a service is asked: few requests at once, a pause between two, and none once it had enough."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, final

REST_S: Final = 30.0
"""How long a service is left alone that had enough, at least: Overpass asks for as much, whatever its answer says."""
LONGEST_REST_S: Final = 600.0


@final
class Crowded(Exception):
    """Too many wait already, or the wait was too long."""


@final
class Resting(Exception):
    """The service had enough a short while ago."""


@final
class Pace:
    """The turns at one service, in one event loop and in the order of coming."""

    def __init__(
        self,
        *,
        slots: int,
        waiting: int,
        interval_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Let `slots` requests be under way, `waiting` wait, and `interval_s` pass between the starts of two."""
        self._free = asyncio.Semaphore(slots)
        self._most_waiting = waiting
        self._waiting = 0
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._sleep = sleep
        self._next_start = monotonic()
        self._rests_until = monotonic()

    @asynccontextmanager
    async def turn(self, within_s: float) -> AsyncGenerator[None]:
        """Have a turn for the block; raises `Crowded` after `within_s` seconds at the latest, and `Resting`."""
        await self._wait(within_s)
        try:
            self._check_rest()
            yield
        finally:
            self._free.release()

    def rest(self, seconds: float | None) -> None:
        """Give no turns for as long as the service says, within `REST_S` and `LONGEST_REST_S`."""
        pause = min(max(seconds or 0.0, REST_S), LONGEST_REST_S)
        self._rests_until = max(self._rests_until, self._monotonic() + pause)

    def _check_rest(self) -> None:
        if self._monotonic() < self._rests_until:
            raise Resting

    async def _wait(self, within_s: float) -> None:
        """Take a slot, and wait until it is time for the next start."""
        self._check_rest()
        if self._free.locked() and self._waiting >= self._most_waiting:
            raise Crowded
        self._waiting += 1
        try:
            async with asyncio.timeout(within_s):
                await self._free.acquire()
        except TimeoutError:
            raise Crowded from None
        finally:
            self._waiting -= 1
        try:
            # Asked again, as the service may have had enough meanwhile: who waits for it is told at once then.
            self._check_rest()
            await self._pause()
        except BaseException:
            self._free.release()
            raise

    async def _pause(self) -> None:
        start = max(self._next_start, self._monotonic())
        # Reserved before the wait: somebody in another slot counts from there.
        self._next_start = start + self._interval_s
        if start > self._monotonic():
            await self._sleep(start - self._monotonic())
