"""The topics that wait to be published: each once, in order, and not more than so many."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import final

import structlog

_log = structlog.stdlib.get_logger(__name__)


@final
class Outbox:
    """A coalescing queue that drops its oldest: the readers of a dropped topic look at the database anyway."""

    def __init__(self, most: int) -> None:
        """Keep at most `most` topics."""
        self._most = most
        self._topics: dict[str, None] = {}
        self._filled = asyncio.Event()
        self._overflowed = False

    def __len__(self) -> int:
        """Give how many topics wait."""
        return len(self._topics)

    def add(self, topic: str) -> None:
        """Put `topic` at the end, unless it waits already."""
        self._topics.setdefault(topic)
        self._trim()

    async def filled(self) -> None:
        """Wait until there is a topic."""
        await self._filled.wait()

    @contextmanager
    def take(self) -> Generator[tuple[str, ...]]:
        """Give all topics and forget them when the block succeeds; else they wait again, before those added since."""
        taken = self._topics
        self._topics = {}
        self._filled.clear()
        try:
            yield tuple(taken)
        except BaseException:
            self._topics = taken | self._topics
            self._trim()
            raise
        self._overflowed = False

    def _trim(self) -> None:
        while len(self._topics) > self._most:
            del self._topics[next(iter(self._topics))]
            if not self._overflowed:
                # Once until something has been published: a topic too many is told for every one that follows.
                self._overflowed = True
                _log.warning("wakeups_dropped", most=self._most)
        if self._topics:
            self._filled.set()
