"""The body of a response, read as often as the process has time for."""

import asyncio
from typing import Final, final

import aiohttp

from app.providers.first_words import FirstWords
from app.providers.pace import Pace

FREE_READS: Final = 4
"""Without a pause before them: the first text is in these, and somebody waits for it."""

YIELD_S: Final = 0.002
"""How much longer it rests while somebody else waits for a first word, and then looks again."""
MOST_YIELDS: Final = 5
"""There may always be somebody."""


@final
class PacedBody:
    """Rests between two reads as `Pace` says; what comes meanwhile stays in the kernel, and is one read then.

    One that rests anyway lets those go first who wait for a first word.
    """

    def __init__(self, response: aiohttp.ClientResponse, pace: Pace, first_words: FirstWords) -> None:
        """Take the response, which stays its owner's."""
        self._response = response
        self._pace = pace
        self._first_words = first_words
        self._reads = 0
        self._read_at = 0.0
        self._taken = 0
        self._timer: asyncio.TimerHandle | None = None
        """Opens the socket again; None while it is open."""
        self._over: asyncio.Future[None] | None = None
        """Done with the rest, where somebody has to be told."""

    async def readany(self) -> bytes:
        """Give what is there, waiting for the first byte; nothing means the end. Raises what aiohttp raises."""
        loop = asyncio.get_running_loop()
        self._reads += 1
        seconds = 0.0
        if self._reads > FREE_READS:
            seconds = self._read_at + self._pace.pause() - loop.time()
        chunk = await (self._rested(seconds) if seconds > 0 else self._response.content.readany())
        self._read_at = loop.time()
        self._taken += len(chunk)
        return chunk

    async def _rested(self, seconds: float) -> bytes:
        """Read once the rest is over. A timer opens the socket again: a task that sleeps would have to wake twice."""
        content = self._response.content
        connection = self._response.connection  # None once the end of the body is here
        transport = None if connection is None else connection.transport
        if transport is None or not transport.is_reading():
            return await content.readany()  # there is as much as may be held: it is taken at once
        transport.pause_reading()
        if content.total_bytes > self._taken:
            # It came while the last read was worked on, and reading would not wait for anything.
            self._over = asyncio.get_running_loop().create_future()
        self._wake_in(seconds, transport, MOST_YIELDS)
        try:
            if self._over is not None:
                await self._over
            return await content.readany()
        finally:
            self._over = None
            if self._timer is not None:  # else it is open again, and who has closed it since has their reasons
                self._timer.cancel()
                self._go_on(transport)

    def _wake_in(self, seconds: float, transport: asyncio.Transport, yields: int) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._wake, transport, yields)

    def _wake(self, transport: asyncio.Transport, yields: int) -> None:
        """Go on, unless somebody else is to go first."""
        if yields and self._first_words.expected:
            self._wake_in(YIELD_S, transport, yields - 1)
            return
        self._go_on(transport)
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _go_on(self, transport: asyncio.Transport) -> None:
        self._timer = None
        if not transport.is_closing():
            transport.resume_reading()
