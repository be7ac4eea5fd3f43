"""This process among those of its database: says that it lives, and ends the runs of those that do not."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Protocol, final
from uuid import UUID

import structlog

from app.db import idempotency, replicas, run_events, runs
from app.db.abandoned import abandoned_runs
from app.db.models import Run
from app.db.session import Database
from app.db.tool_rounds import has_answers
from app.errors import Cancelled, GatewayError, StorageUnavailable
from app.runs.beats import Beats
from app.runs.clock import Clock
from app.runs.hub import RunHub
from app.runs.recovery import interrupt
from app.secret import Secret
from app.wakeups import Wakeups

CANCEL_POLL_S: Final = 0.25
"""How often a process asks which of its runs are to be stopped, or were ended by others; a wake-up comes earlier."""


KEEP_HOUSE_S: Final = 10.0
OWNERLESS: Final = timedelta(minutes=20)
"""After that a run of the version before, which named no owner, is nobody's: its deadlines are shorter."""
WAITING: Final = timedelta(hours=1)
"""How long a run may wait for the tools of its caller without a process; with one it is ended earlier."""
PART_RUNS: Final = 100
_log = structlog.stdlib.get_logger(__name__)


class GoOn(Protocol):
    """`Runner.go_on`."""

    async def __call__(self, user_id: str, run_id: UUID, *, session: Secret | None, request_id: str | None) -> None:
        """Go on with a run."""
        ...


@final
class Replica:
    """Owns four tasks between `open` and `close`.

    The heartbeat, which waits for nothing else; the look at the others' beats; the ear for wishes to stop; the
    house-keeping.

    Another process counts as dead when its beat has not changed for `lease_s` while this one kept looking.
    """

    def __init__(  # noqa: PLR0913 - what it watches over, and its times
        self,
        database: Database,
        hub: RunHub,
        wakeups: Wakeups,
        *,
        lease_s: float = 15.0,
        keep_events: timedelta = timedelta(hours=24),
        clock: Clock | None = None,
    ) -> None:
        """Take an id that no process had before."""
        self.id = uuid.uuid4().hex
        self._database = database
        self._hub = hub
        self._wakeups = wakeups
        self._lease_s = lease_s
        self._keep_events = keep_events
        self._clock = clock or Clock()
        self._go_on: GoOn | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._beats = Beats(lease_s)

    @property
    def topic(self) -> str:
        """What wakes this process's ear for wishes to stop."""
        return owner_topic(self.id)

    def let_go_on(self, go_on: GoOn) -> None:
        """Say who goes on with runs of dead processes whose callers have answered; until then they are left alone."""
        self._go_on = go_on
        self._tasks.append(asyncio.create_task(self._recover_first(), name="replica first look"))

    async def open(self) -> None:
        """End what dead processes have left, then begin; raises `StorageUnavailable`.

        A database that only one process can have tells at once who is dead; on another, a process that still says
        that it lives is given its lease.
        """
        async with self._database.write() as session:
            await replicas.put_beat(session, replica_id=self.id)
            if not self._database.shared:
                await replicas.remove_others(session, self.id)
        await self._recover()
        loops = [self._keep_house]
        if self._database.shared:
            loops += [self._beat, self._look, self._listen]
        self._tasks = [asyncio.create_task(self._forever(loop), name=f"replica {loop.__name__}") for loop in loops]

    async def close(self) -> None:
        """Stop, and say that this process is gone: what it has not ended is for others to end."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        try:
            async with asyncio.timeout(1.0), self._database.write() as session:
                await replicas.remove_replica(session, self.id)
        except (StorageUnavailable, TimeoutError):
            _log.warning("replica.not_removed", effect="others wait for its lease")

    async def _forever(self, turn: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await turn()
            except StorageUnavailable:
                # Logged where it happened. Without the database nobody can be taken for dead.
                self._beats.forget()
                await asyncio.sleep(CANCEL_POLL_S)
            except Exception as bug:  # noqa: BLE001 - a bug in one turn may not end all that are to come
                _log.error("replica.crashed", error_type=type(bug).__qualname__, where=turn.__name__)
                await asyncio.sleep(CANCEL_POLL_S)

    async def _beat(self) -> None:
        async with self._database.write() as session:
            await replicas.put_beat(session, replica_id=self.id)
        await asyncio.sleep(self._lease_s / 4)

    async def _look(self) -> None:
        await self._forget_dead()
        await self._recover()
        await asyncio.sleep(self._lease_s / 4)

    async def _forget_dead(self) -> None:
        async with self._database.read() as session:
            beats = await replicas.read_beats(session)
        beats.pop(self.id, None)
        dead = self._beats.look(beats, asyncio.get_running_loop().time())
        if dead:
            _log.warning("replicas.dead", count=len(dead))
            async with self._database.write() as session:
                await replicas.remove_dead(session, dead)

    async def _recover(self) -> None:
        # Whatever the clock says: alone with the database, nobody else can have a run in hand.
        before = self._clock.now() - OWNERLESS if self._database.shared else None
        async with self._database.read() as session:
            left = await abandoned_runs(
                session,
                besides=self.id,
                ownerless_before=before,
                waiting_since=self._clock.now() - WAITING,
                limit=PART_RUNS,
            )
        ended = 0
        for run in left:
            try:
                if not await self._goes_on(run):
                    ended += await interrupt(self._database, run, clock=self._clock)
            except GatewayError:
                continue  # one that somebody holds keeps no others waiting; it is looked at again
            self._wakeups.tell(run_topic(run.id))
        if ended and len(left) == PART_RUNS:
            await self._recover()

    async def _goes_on(self, run: Run) -> bool:
        """Have a run gone on with where its caller has answered for its calls; False where there is nothing to do so.

        Without the caller's session: the answer came while its process still counted as alive. Raises as `go_on`.
        """
        async with self._database.read() as session:
            answered = not run.cancel_requested and await has_answers(session, run.id)
        if answered and self._go_on is not None:
            await self._go_on(run.user_id, run.id, session=None, request_id=None)
        return answered

    async def _recover_first(self) -> None:
        try:
            await self._recover()
        except StorageUnavailable:
            return  # the next look is not far

    async def _listen(self) -> None:
        with self._wakeups.watch(self.topic) as watch:
            while True:
                if self._hub.count:
                    await self._look_after_runs()
                await watch.wait(CANCEL_POLL_S)

    async def _look_after_runs(self) -> None:
        """Stop the runs whose callers want that, and those that are no longer in hand here."""
        begun = self._hub.begun
        async with self._database.read() as session:
            wishes = await runs.wishes(session, owner=self.id)
        self._hub.stop_all((one for one, stop in wishes.items() if stop), Cancelled())
        # Ended by others, who took this process for dead, while its model said nothing that could be refused.
        self._hub.lose_all(begun - wishes.keys())

    async def _keep_house(self) -> None:
        await asyncio.sleep(KEEP_HOUSE_S)
        await self._recover()
        async with self._database.read() as session:
            mine = await runs.runs_in_hand(session, owner=self.id)
        # Begun by a commit whose answer was lost, or given up while the database was away.
        for run in mine:
            if not self._hub.has(run.id):
                await interrupt(self._database, run, clock=self._clock)
                self._wakeups.tell(run_topic(run.id))
        now = self._clock.now()
        async with self._database.write() as session:
            await run_events.trim_events(session, ended_before=now - self._keep_events, limit=PART_RUNS)
            await idempotency.trim_claims(session, now=now)


def run_topic(run_id: UUID) -> str:
    """Name what happens to one run."""
    return f"run:{run_id}"


def owner_topic(replica_id: str) -> str:
    """Name what is wanted of one process."""
    return f"owner:{replica_id}"
