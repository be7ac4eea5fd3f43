"""The live runs of this process: the one owner of their tasks."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, final
from uuid import UUID

import structlog

from app.errors import Cancelled, ConversationBusy, GatewayError, Interrupted, ServerShutdown
from app.runs.admission import BUSY_RETRY_S, Admission, Left, Waiting
from app.runs.limits import STORE_S
from app.runs.live import LiveRun

KILL_S: Final = 1.0
LEAVE_S: Final = 1.5
"""What stopped runs get to store their ends before their readers are sent to where these will be found."""

_log = structlog.stdlib.get_logger(__name__)


@final
class RunHub:
    """Starts, finds and stops runs; an ended one is forgotten, its readers hold its journal."""

    def __init__(
        self,
        max_runs: int = 100,
        max_runs_per_user: int = 20,
        *,
        waiting: Waiting | None = None,
        grace_s: float = 5.0,
        store_s: float = STORE_S,
    ) -> None:
        """Take the caps, and how requests wait where one is reached.

        In seconds: `grace_s` is how long a shutdown lets runs go on, `store_s` what a stopped one gets to store
        what it has.
        """
        self._admission = Admission(max_runs=max_runs, max_per_user=max_runs_per_user, waiting=waiting or Waiting())
        self._grace_s = grace_s
        self._store_s = store_s
        self._live: dict[asyncio.Task[Any], LiveRun] = {}
        self._runs: dict[UUID, LiveRun] = {}
        self._grace: asyncio.Handle | None = None
        self._leaving: asyncio.Handle | None = None
        self._grace_ends = 0.0

    @property
    def count(self) -> int:
        """Number of live runs."""
        return len(self._live)

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a place."""
        return self._admission.queued

    @property
    def stopping(self) -> bool:
        """Whether the shutdown has begun."""
        return self._grace is not None

    async def start(self, run: LiveRun, work: Coroutine[Any, Any, None], *, left: Left | None = None) -> bool:
        """Own `work` as the task of `run`, once there is a place for it; what `_enter` raises closes `work`.

        False, and `work` closed, where the run is in hand here already.
        `work` ends every run that has begun by a terminal event; what it raises before that refuses the run.
        """
        try:
            await self._enter(run.user_id, left)
        except BaseException:
            work.close()
            raise
        if run.run_id in self._runs:
            self._admission.leave(run.user_id)
            work.close()
            return False
        self._runs[run.run_id] = run
        task = asyncio.create_task(work, name=f"run {run.run_id}")
        self._live[task] = run
        task.add_done_callback(self._end)
        return True

    def refuse_busy(self, user_id: str, conversation_id: UUID) -> None:
        """Raise `ConversationBusy` where there is no place now, and a run of the user's writes in the conversation.

        Who would wait for a place could not begin then either, and stopping that run frees one.
        """
        if self._admission.free(user_id):
            return
        for run in self._runs.values():
            if (run.user_id, run.conversation_id) == (user_id, conversation_id) and not run.journal.closed:
                raise ConversationBusy(run_id=str(run.run_id))

    @asynccontextmanager
    async def hold(self, run: LiveRun) -> AsyncGenerator[None]:
        """Count a model call that the current task waits for itself, once there is a place; raises as `_enter` does.

        While the block lasts it has its share of the caps, and a shutdown waits for it, stops it and kills it as it
        does with runs. Nobody can find it.
        """
        task = asyncio.current_task()
        if task is None or task in self._live:
            message = "one task, one model call"
            raise RuntimeError(message)
        await self._enter(run.user_id)
        self._live[task] = run
        try:
            yield
        finally:
            self._leave(task)

    async def _enter(self, user_id: str, left: Left | None = None) -> None:
        """Take a place; raises `ServerShutdown`, `TooManyRuns`, and `Cancelled` when the caller leaves the queue."""
        await self._admission.enter(user_id, left)
        if self.stopping:
            # It began between the place and this line, and `drain` may be over.
            self._admission.leave(user_id)
            raise ServerShutdown(retry_after_s=BUSY_RETRY_S)

    def _leave(self, task: "asyncio.Task[Any]") -> LiveRun:
        run = self._live.pop(task)
        self._admission.leave(run.user_id)
        return run

    def find(self, run_id: UUID, user_id: str | None = None) -> LiveRun | None:
        """Give a live run, of this user if one is named, once it has begun."""
        run = self._runs.get(run_id)
        if run is None or not run.journal.last_seq:
            return None
        return run if user_id is None or run.user_id == user_id else None

    def has(self, run_id: UUID) -> bool:
        """Tell whether a run is in hand here, begun or not."""
        return run_id in self._runs

    def cancel(self, run_id: UUID, user_id: str) -> bool:
        """Stop a run for its caller; False when it is unknown or its answer is over. Asking again changes nothing."""
        run = self.find(run_id, user_id)
        return run is not None and run.stop(Cancelled())

    @property
    def begun(self) -> frozenset[UUID]:
        """The live runs whose beginning is stored."""
        return frozenset(run_id for run_id, run in self._runs.items() if run.journal.last_seq)

    def stop_all(self, run_ids: Iterable[UUID], reason: GatewayError) -> None:
        """Stop runs for a reason that the database knows of."""
        for run_id in run_ids:
            run = self.find(run_id)
            if run is not None:
                run.stop(reason)

    def lose_all(self, run_ids: Iterable[UUID]) -> None:
        """Stop runs that were ended by others, or deleted."""
        for run_id in run_ids:
            run = self.find(run_id)
            if run is not None:
                run.lose()

    def begin_shutdown(self) -> None:
        """Refuse new runs and who waits for a place, and interrupt the live ones after the grace period.

        To be called in the loop.
        """
        if self._grace is None:
            self._admission.close()
            loop = asyncio.get_running_loop()
            self._grace_ends = loop.time() + self._grace_s
            self._grace = loop.call_at(self._grace_ends, self._interrupt_all)
            self._leaving = loop.call_at(self._grace_ends + LEAVE_S, self._leave_all)

    def _interrupt_all(self) -> None:
        for run in self._live.values():
            run.stop(Interrupted())

    def _leave_all(self) -> None:
        for run in self._live.values():
            run.journal.leave()

    async def drain(self) -> None:
        """Wait for the live runs to end; interrupt the rest after the grace period, and kill what does not even stop.

        The grace period counts from `begin_shutdown`, if that came before. Takes `store_s` and a second more at worst.
        What was killed is repaired by the next start.
        """
        self.begin_shutdown()
        if self._grace is not None:
            await self._wait(self._grace_ends - asyncio.get_running_loop().time())
            self._grace.cancel()
        self._interrupt_all()
        await self._wait(self._store_s)
        for task in self._live:
            task.cancel()
        await self._wait(KILL_S)
        if self._leaving is not None:
            self._leaving.cancel()

    async def _wait(self, timeout_s: float) -> None:
        if self._live:
            await asyncio.wait(tuple(self._live), timeout=max(0.0, timeout_s))
            await asyncio.sleep(0)  # lets the tasks' callbacks take them off the list

    def _end(self, task: "asyncio.Task[None]") -> None:
        run = self._leave(task)
        del self._runs[run.run_id]
        failure = None if task.cancelled() else task.exception()
        if not run.journal.last_seq:
            run.refuse(failure or ServerShutdown(retry_after_s=BUSY_RETRY_S))
            return
        if failure is not None:
            log_crash(failure, run.run_id)
        # Whoever still reads is sent to where the end will be stored: see `Journal.leave`.
        run.journal.leave()


def log_crash(failure: BaseException, run_id: UUID) -> None:
    """Log where a bug struck, without its message: that may quote what the person wrote."""
    frames = traceback.extract_tb(failure.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    _log.error("run.crashed", run_id=str(run_id), error_type=type(failure).__qualname__, where=where)
