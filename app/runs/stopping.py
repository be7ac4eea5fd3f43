"""Stopping a run, wherever it is in hand."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from app.db import abandoned, runs
from app.db.session import Database
from app.errors import ConversationBusy
from app.events import RunStatus
from app.runs.clock import Clock
from app.runs.hub import RunHub
from app.runs.limits import RunLimits
from app.runs.recovery import interrupt
from app.runs.replica import owner_topic, run_topic
from app.runs.send import SendMessage
from app.wakeups import Wakeups


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """See `Runner`, whose parts these are."""

    database: Database
    hub: RunHub
    wakeups: Wakeups
    owner: str
    limits: RunLimits
    clock: Clock

    async def cancel(self, user_id: str, run_id: UUID) -> RunStatus:
        """Stop a run; gives its status, `RUNNING` or `QUEUED` while it stops. Raises `NotFound`."""
        if self.hub.cancel(run_id, user_id):
            return RunStatus.RUNNING
        async with self.database.write() as session:
            run = await runs.request_cancel(session, user_id=user_id, run_id=run_id)
            nobodys = await abandoned.is_nobodys(session, run, besides=self.owner)
        if not nobodys:
            if run.owner is not None:
                self.wakeups.tell(owner_topic(run.owner))
            return RunStatus(run.status)
        # It waited for its caller while its process ended: nobody would hear of the wish.
        await interrupt(self.database, run, clock=self.clock)
        self.wakeups.tell(run_topic(run_id))
        async with self.database.read() as session:
            return RunStatus((await runs.get_run(session, user_id=user_id, run_id=run_id)).status)

    async def make_way(self, send: SendMessage, run_id: UUID) -> None:
        """Stop a run and wait until it has ended.

        Raises `ConversationBusy` when it does not in time, and at once, stopping nothing, where others wait for it.
        """
        async with self.database.read() as session:
            active = await runs.active_run_ids(session, user_id=send.user_id, conversation_id=send.conversation_id)
        if len(active) > 1:
            raise ConversationBusy(run_id=str(run_id))
        deadline = asyncio.get_running_loop().time() + self.limits.stop_s
        with self.wakeups.watch(run_topic(run_id)) as watch:
            while not (await self.cancel(send.user_id, run_id)).terminal:
                if asyncio.get_running_loop().time() > deadline:
                    raise ConversationBusy(run_id=str(run_id))
                await watch.wait(self.limits.stop_look_s)
