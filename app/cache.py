"""Answers that stay good for a while: whoever asks for the same thing at once shares one question."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, final

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@final
class CacheClosed(Exception):
    """The cache gives no more answers."""


@dataclass(frozen=True, slots=True)
class _Answer(Generic[V]):
    """What a load gave, and between which moments it may be believed."""

    value: V
    began: float
    ttl_s: float

    def is_good(self, asked: float) -> bool:
        """Say whether somebody who asked at that moment may have it."""
        return asked - self.began < self.ttl_s


@final
class SharedCache(Generic[K, V]):
    """Keeps answers by key, in one event loop. `close` it.

    A load needs a deadline of its own: nobody else ends it, not even all of its waiters going away.
    """

    def __init__(self, *, max_entries: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Keep at most `max_entries` answers; the oldest make room."""
        self._max_entries = max_entries
        self._monotonic = monotonic
        self._answers: OrderedDict[K, _Answer[V]] = OrderedDict()
        self._loads: dict[K, asyncio.Task[_Answer[V]]] = {}
        self._closed = False

    async def get(self, key: K, load: Callable[[], Awaitable[V]], ttl_s: Callable[[V], float]) -> V:
        """Give what is kept for `key`, or what `load` gives, which then is good for `ttl_s(value)` seconds.

        The age counts from the moment the load began, so that no caller ever has an answer to a question that was
        put longer ago than that. Raises what `load` raises, to everybody who waited for it, and `CacheClosed` after
        and during `close`. A failure is not kept.
        """
        asked = self._monotonic()
        while not self._closed:
            kept = self._answers.get(key)
            if kept is not None and kept.is_good(asked):
                return kept.value
            answer = await self._join(key, load, ttl_s)
            if answer.began >= asked or answer.is_good(asked):
                return answer.value
            # That load had begun too long before this caller asked. The next one begins after.
        message = "the cache is closed"
        raise CacheClosed(message)

    async def close(self) -> None:
        """End the loads under way and forget everything; who waits gets `CacheClosed`."""
        self._closed = True
        loads = list(self._loads.values())
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        self._answers.clear()

    async def _join(self, key: K, load: Callable[[], Awaitable[V]], ttl_s: Callable[[V], float]) -> _Answer[V]:
        task = self._loads.get(key)
        if task is None:
            task = asyncio.create_task(self._run(key, load, ttl_s), name="shared load")
            self._loads[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        # Waiting so, and not on the task itself, a caller that is cancelled does not take the load from the others.
        await asyncio.wait({task})
        if task.cancelled():
            message = "the load was ended before it had an answer"
            raise CacheClosed(message)
        return task.result()

    async def _run(self, key: K, load: Callable[[], Awaitable[V]], ttl_s: Callable[[V], float]) -> _Answer[V]:
        began = self._monotonic()
        value = await load()
        answer = _Answer(value, began, ttl_s(value))
        if not self._closed:
            self._keep(key, answer)
        return answer

    def _forget(self, key: K, task: asyncio.Task[_Answer[V]]) -> None:
        del self._loads[key]
        if not task.cancelled():
            # Looked at here, as there may be no waiter left to do it, and asyncio complains of a failure nobody saw.
            task.exception()

    def _keep(self, key: K, answer: _Answer[V]) -> None:
        self._answers.pop(key, None)
        now = self._monotonic()
        if answer.is_good(now):
            self._answers[key] = answer
        while self._answers:
            oldest, kept = next(iter(self._answers.items()))
            if len(self._answers) <= self._max_entries and kept.is_good(now):
                break
            del self._answers[oldest]
