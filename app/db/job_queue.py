"""Jobs in the order in which they came; those that wait for the same turn to write share one transaction."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, final

from app.db.turn import Turn
from app.db.visit import Job, Outcome, T, Visits

AT_ONCE: Final = 16
"""Jobs in one transaction: they keep everybody else from writing meanwhile, a millisecond or two each."""
CLOSE_SECONDS: Final = 2.0
"""What is under way gets to end when the process does."""
LOOK_SECONDS: Final = 20.0
"""How long the queue waits for its turn before it asks again; each job has its own deadline."""


@dataclass(slots=True, eq=False)
class _Asked:
    """A job that waits, or is under way."""

    job: Job[Any]
    outcome: "asyncio.Future[Outcome]"


@final
class JobQueue:
    """Runs jobs while it holds the turn to write.

    Every commit waits for the disk, and between two commits of events there is one turn for all others. With a job in
    each, many starts and ends at once would wait for one another longer than all of them take.
    """

    def __init__(self, turn: Turn, visits: Visits) -> None:
        """Take the turn, and the connection, which is closed with the queue."""
        self._turn = turn
        self.visits = visits
        self._waiting: deque[_Asked] = deque()
        self._serving: asyncio.Task[None] | None = None

    async def run(self, job: Job[T], seconds: float) -> T:
        """Run one job; raises what it raises, and `TimeoutError` when it has not begun within `seconds`.

        A job that has begun is not cut short: being cancelled waits for its end.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(job, loop.create_future())
        self._waiting.append(asked)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="database jobs")
        timer = loop.call_later(seconds, self._give_up, asked)
        try:
            # Not `asyncio.wait`: that takes two more turns of the loop, and every message waits for them.
            outcome = await asked.outcome
        except asyncio.CancelledError:
            if asked.outcome.cancelled():
                asked.outcome = loop.create_future()
            self._give_up(asked)
            await asyncio.wait({asked.outcome})
            raise
        finally:
            timer.cancel()
        if outcome.failure is not None:
            raise outcome.failure
        return outcome.value

    async def close(self) -> None:
        """Refuse what waits, let what is under way end, and close the connection."""
        while self._waiting:
            self._give_up(self._waiting[0])
        if self._serving is not None:
            await asyncio.wait({self._serving}, timeout=CLOSE_SECONDS)
        await self.visits.close()

    def _give_up(self, asked: _Asked) -> None:
        """Take a job back that has not begun."""
        if asked in self._waiting:
            self._waiting.remove(asked)
            asked.outcome.set_result(Outcome(failure=TimeoutError()))

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._serve_some()
        finally:
            self._serving = None

    async def _serve_some(self) -> None:
        taken: list[_Asked] = []
        try:
            async with self._turn.hold(LOOK_SECONDS):
                taken += [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                if taken:
                    outcomes = await self.visits.run([each.job for each in taken])
                    for each, outcome in zip(taken, outcomes, strict=True):
                        each.outcome.set_result(outcome)
        except TimeoutError:
            return  # those who have waited as long have gone
        finally:
            for each in taken:
                if not each.outcome.done():  # this task was cancelled: the loop is ending
                    each.outcome.set_result(Outcome(failure=TimeoutError()))
