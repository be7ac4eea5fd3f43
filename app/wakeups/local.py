"""Wake-ups within one process: all that SQLite and a lone process need."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, final


@final
class Watch:
    """One reader's ear for one topic, for one waiter at a time; made by `Wakeups.watch`."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        """Begin without having been told."""
        self._told = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Give True when told since the last wait, at once if that was before this call; False after `seconds`.

        So whoever looks at the database between two waits misses nothing. True may come without news.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            # If it was told in this very turn, the next wait says so.
            return False
        self._told.clear()
        return True

    def tell(self) -> None:
        """Wake who waits, or who waits next."""
        self._told.set()


class Wakeups:
    """Wakes the watches of this process, in one event loop; the base of what reaches other replicas too.

    A hint only: who is woken reads the database, and who waits looks there from time to time all the same.
    Use it as an async context manager, or `close` it.
    """

    def __init__(self) -> None:
        """Begin without watches."""
        self._watches: dict[str, set[Watch]] = {}

    async def __aenter__(self) -> Self:
        """Start what there is to start."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    @property
    def reaches_others(self) -> bool:
        """Whether hints go to and come from other replicas; if not, who waits looks at the database more often."""
        return False

    def tell(self, topic: str) -> None:
        """Wake every watch of `topic`, an ASCII id without blanks; never blocks, never raises."""
        for watch in self._watches.get(topic, ()):
            watch.tell()

    @contextmanager
    def watch(self, topic: str) -> Generator[Watch]:
        """Give a watch of `topic` that is told from here to the end of the block."""
        watch = Watch()
        self._watches.setdefault(topic, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[topic]
            watches.discard(watch)
            if not watches:
                del self._watches[topic]

    async def close(self) -> None:
        """Let everybody who waits look once more."""
        self._tell_all()

    def _tell_all(self) -> None:
        for topic in self._watches:
            Wakeups.tell(self, topic)
