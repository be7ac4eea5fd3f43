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

    async def readany(self) -> bytes:
        """Give what is there, waiting for the first byte; nothing means the end. Raises what aiohttp raises."""
        loop = asyncio.get_running_loop()
        self._reads += 1
        if self._reads > FREE_READS:
            seconds = self._read_at + self._pace.pause() - loop.time()
            if seconds > 0:
                await self._rest(seconds)
        chunk = await self._response.content.readany()
        self._read_at = loop.time()
        return chunk

    async def _rest(self, seconds: float) -> None:
        connection = self._response.connection  # None once the end of the body is here
        transport = None if connection is None else connection.transport
        if transport is None or not transport.is_reading():
            return  # there is as much as may be held: it is taken at once
        transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
            for _ in range(MOST_YIELDS):
                if not self._first_words.expected:
                    break
                await asyncio.sleep(YIELD_S)
        finally:
            if not transport.is_closing():
                transport.resume_reading()
