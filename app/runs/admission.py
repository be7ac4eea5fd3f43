"""Who may begin a run: so many at once, and before them a short queue."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, final

from app.errors import Cancelled, GatewayError, ServerShutdown, TooManyRuns

BUSY_RETRY_S: Final = 5.0
Left = Callable[[], Coroutine[Any, Any, None]]
"""Ends when the caller has gone; asked only while they wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How a request waits for a place; times in seconds.

    A refusal costs work, and who is refused asks again: at once, with many clients. What that takes is missing to the
    runs that were admitted, so no refusal is quick while the queue has room.
    """

    all_s: float = 1.0
    """Where there are too many runs of everybody."""
    user_s: float = 0.5
    """Where there are too many of this user, who knows of them."""
    places: int = 1000
    """How many may wait: each keeps a connection and a message. Of one user, as many as they may have runs."""
    retry_s: tuple[float, float] = (3.0, 8.0)
    """Between these a refused client is told to come back: all at one moment would be refused again."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Waiter:
    """One request in the queue."""

    user_id: str
    turn: "asyncio.Future[None]"
    """Done when it has a place, failed when it has none."""
    timer: asyncio.TimerHandle | None = None

    @property
    def admitted(self) -> bool:
        return self.turn.done() and self.turn.exception() is None


@final
@dataclass(slots=True, eq=False, kw_only=True)
class Admission:
    """Counts the places that are taken, for all and for each user, and gives a free one to who has waited longest.

    While somebody in the queue could have a place none is free: `leave` hands each one on, in the same moment.
    """

    max_runs: int
    max_per_user: int
    waiting: Waiting = field(default_factory=Waiting)
    taken: int = 0
    _per_user: Counter[str] = field(default_factory=Counter[str])
    _queue: dict[_Waiter, None] = field(default_factory=dict[_Waiter, None])
    """In the order of their coming."""
    _queued: Counter[str] = field(default_factory=Counter[str])
    _closed: bool = False

    @property
    def queued(self) -> int:
        """Number of requests that wait."""
        return len(self._queue)

    def free(self, user_id: str) -> bool:
        """Tell whether this user could have a place at once."""
        return self.taken < self.max_runs and self._per_user[user_id] < self.max_per_user

    async def enter(self, user_id: str, left: Left | None = None) -> None:
        """Take a place, which is the caller's until `leave`; waits a moment where none is free.

        Raises `TooManyRuns` when none gets free or too many wait, `ServerShutdown`, and `Cancelled` once `left` ends.
        Whatever it raises, no place is taken.
        """
        if self._closed:
            raise ServerShutdown(retry_after_s=BUSY_RETRY_S)
        if self.free(user_id):
            self._take(user_id)
            return
        waiter = self._line_up(user_id)
        try:
            await _turn_of(waiter, left)
        except BaseException:
            self._remove(waiter)
            if waiter.admitted:
                self.leave(user_id)
            raise

    def leave(self, user_id: str) -> None:
        """Give a place back: the first in the queue who may have it has it now."""
        self.taken -= 1
        self._per_user[user_id] -= 1
        if not self._per_user[user_id]:
            del self._per_user[user_id]
        for waiter in self._queue:
            if self._per_user[waiter.user_id] < self.max_per_user:
                self._remove(waiter)
                self._take(waiter.user_id)
                waiter.turn.set_result(None)
                return

    def close(self) -> None:
        """Take nobody any more, and send away who waits."""
        self._closed = True
        for waiter in tuple(self._queue):
            self._refuse(waiter, ServerShutdown(retry_after_s=BUSY_RETRY_S))

    def _take(self, user_id: str) -> None:
        self.taken += 1
        self._per_user[user_id] += 1

    def _line_up(self, user_id: str) -> _Waiter:
        if self.queued >= self.waiting.places or self._queued[user_id] >= self.max_per_user:
            raise self._too_many()
        loop = asyncio.get_running_loop()
        waiter = _Waiter(user_id=user_id, turn=loop.create_future())
        own = self._per_user[user_id] >= self.max_per_user
        seconds = self.waiting.user_s if own else self.waiting.all_s
        waiter.timer = loop.call_later(seconds, self._time_out, waiter)
        self._queue[waiter] = None
        self._queued[user_id] += 1
        return waiter

    def _time_out(self, waiter: _Waiter) -> None:
        self._refuse(waiter, self._too_many())

    def _refuse(self, waiter: _Waiter, error: GatewayError) -> None:
        self._remove(waiter)
        waiter.turn.set_exception(error)
        waiter.turn.exception()  # counts as seen, as the request may be over by now

    def _remove(self, waiter: _Waiter) -> None:
        """Take it off the queue, where it may be no more."""
        if waiter.timer is not None:
            waiter.timer.cancel()
        if waiter not in self._queue:
            return
        del self._queue[waiter]
        self._queued[waiter.user_id] -= 1
        if not self._queued[waiter.user_id]:
            del self._queued[waiter.user_id]

    def _too_many(self) -> TooManyRuns:
        seconds = random.uniform(*self.waiting.retry_s)  # noqa: S311 - spreads clients, hides nothing
        return TooManyRuns(retry_after_s=round(seconds, 1))


async def _turn_of(waiter: _Waiter, left: Left | None) -> None:
    """Wait until it is decided; raises why there is no place, and `Cancelled` when nobody is there to have one."""
    leaving: list[asyncio.Task[None]] = []
    if left is not None:
        leaving.append(asyncio.create_task(left(), name="caller leaves"))
    try:
        # The turn is not awaited itself: whoever is cancelled would cancel it, and `leave` could find it so.
        await asyncio.wait({waiter.turn, *leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not waiter.turn.done():
            raise Cancelled
        waiter.turn.result()
    finally:
        for task in leaving:
            task.cancel()
            await asyncio.wait({task})
