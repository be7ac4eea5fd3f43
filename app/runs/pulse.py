"""A moment that some wait for."""

import asyncio
from typing import final


@final
class Pulse:
    """Wakes who waits at each beat, and costs nothing while nobody does."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Wait for the next beat."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def beat(self) -> None:
        """Wake everybody who waits by now."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
