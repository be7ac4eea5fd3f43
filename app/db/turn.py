"""Whose turn it is to write: SQLite has one writer, and waiting in order here is fair, at its file lock it is not."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import final


@final
class Turn:
    """A lock of one event loop; who comes `first` goes before all others that wait."""

    def __init__(self) -> None:
        """Begin with nobody holding it."""
        self._held = False
        self._first: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def hold(self, seconds: float, *, first: bool = False) -> AsyncGenerator[None]:
        """Hold it for the block; raises `TimeoutError` when it is not to be had within `seconds`."""
        if self._held:
            await self._wait(self._first if first else self._others, seconds)
        self._held = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, queue: deque[asyncio.Future[None]], seconds: float) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(mine)
        try:
            async with asyncio.timeout(seconds):
                await mine
        except BaseException:
            if mine.done() and not mine.cancelled():
                self._pass_on()  # it came in the moment in which nobody wanted it any more
            else:
                with suppress(ValueError):  # passed over already
                    queue.remove(mine)
            raise

    def _pass_on(self) -> None:
        """Give it to who waits; it stays held meanwhile, so that nobody comes in between."""
        for queue in (self._first, self._others):
            while queue:
                waiting = queue.popleft()
                if not waiting.done():
                    waiting.set_result(None)
                    return
        self._held = False
