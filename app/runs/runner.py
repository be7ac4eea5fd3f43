"""One run from the caller's message to its one terminal event; the only place that orders things."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, final
from uuid import UUID

import structlog

from app.db import idempotency, run_events, runs, tool_rounds
from app.db.models import Run
from app.db.session import Database, Session
from app.entry import Entry
from app.errors import (
    ConversationBusy,
    GatewayError,
    Interrupted,
    StorageUnavailable,
)
from app.events import RunStatus
from app.providers.first_words import FirstWords
from app.providers.model import ModelClient
from app.providers.model_lookup import ModelLookup
from app.providers.registry import Registry
from app.runs.admission import Left
from app.runs.beginning import first_event, new_run, send_of
from app.runs.carrier import Begun, Carrier
from app.runs.clock import Clock
from app.runs.credentials import InstanceKey
from app.runs.end_store import EndStore
from app.runs.ending import Ending
from app.runs.hub import RunHub
from app.runs.journal import Log
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.model_request import read_history, wait_for_history
from app.runs.outcome import Outcome
from app.runs.plan import make_plan
from app.runs.resuming import LeftBehind, read_left
from app.runs.retry_budget import RetryBudget
from app.runs.send import OnConflict, SendMessage
from app.runs.stopping import Stopping
from app.runs.tools.limits import ToolLimits
from app.secret import Secret
from app.tools.tool import ToolSource
from app.vault import Vault
from app.voyage.client import VoyageClient
from app.wakeups import Wakeups

ASKING_S: Final = 0.003
"""How long a run that has begun goes before others' streams: its provider is asked, and its caller answered."""
_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Earlier:
    """The run that an equal request has begun before."""

    run_id: UUID
    message_id: UUID


class _BegunBefore(Exception):  # not an error: a way out of a transaction
    """An equal request was quicker."""

    def __init__(self, run: Earlier) -> None:
        """Take the run that it has begun."""
        super().__init__()
        self.run = run


@final
@dataclass(frozen=True, slots=True)
class Runner:
    """Turns messages into runs; everything replaceable is given to it."""

    database: Database
    vault: Vault | None
    registry: Registry
    client: ModelClient
    hub: RunHub
    log: Log | None = None
    """Stores the events; None where nobody can come back to them."""
    first_words: FirstWords = field(default_factory=FirstWords)
    """Is told while a run begins here."""
    wakeups: Wakeups = field(default_factory=Wakeups)
    owner: str = "alone"
    """The id of this process."""
    limits: RunLimits = field(default_factory=RunLimits)
    budget: RetryBudget = field(default_factory=RetryBudget)
    """What all runs may try again."""
    instance_key: InstanceKey | None = None
    voyage: VoyageClient | None = None
    models: ModelLookup | None = None
    tools: Sequence[ToolSource] = ()
    tool_limits: ToolLimits = field(default_factory=ToolLimits)
    clock: Clock = field(default_factory=Clock)
    new_id: Callable[[], UUID] = uuid.uuid4

    async def start(self, send: SendMessage, *, left: Left | None = None) -> LiveRun | Earlier:
        """Store the message and begin its run, which goes on whether or not the caller stays.

        Only while it waits for a place among the live runs does it end with `left`, by `Cancelled`.

        Gives the earlier run where the same request was made before. Raises every error that has an HTTP status;
        then nothing is stored and no event exists. Only a `StorageUnavailable` in the very moment of the commit may
        be wrong about that: see `_begin`.
        """
        send = self._guarded(send)
        try:
            return await self._start(send, left)
        except ConversationBusy as busy:
            if send.on_conflict is not OnConflict.INTERRUPT or busy.run_id is None:
                raise
            await self._stopping.make_way(send, UUID(busy.run_id))
        return await self._start(send, left)

    async def cancel(self, user_id: str, run_id: UUID) -> RunStatus:
        """Stop a run of the user's wherever it is in hand; gives its status, `RUNNING` or `QUEUED` while it stops.

        Asking again changes nothing. Raises `NotFound`.
        """
        return await self._stopping.cancel(user_id, run_id)

    async def go_on(self, user_id: str, run_id: UUID, *, session: Secret | None, request_id: str | None) -> None:
        """Take a run into hand that has waited for its caller and whose process is gone.

        Nothing is changed where somebody has it in hand, or it is over. Raises `NotFound`, `TooManyRuns`,
        `ServerShutdown` and `StorageUnavailable`.
        """
        if self.hub.has(run_id):
            return
        async with self.database.read() as reading:
            stored = await runs.get_run(reading, user_id=user_id, run_id=run_id)
        run = LiveRun(
            run_id=run_id,
            user_id=user_id,
            conversation_id=stored.conversation_id,
            user_message_id=stored.message_id,
            message_id=stored.message_id,
            provider=stored.provider,
            model=stored.model,
            log=self.log,
        )
        send = self._guarded(send_of(stored, session=session, request_id=request_id))
        if await self.hub.start(run, self._adopt(run, send)):
            await self._until_begun(run)

    def _guarded(self, send: SendMessage) -> SendMessage:
        """Give it with the operator's wish of today, which a message can only add to."""
        return replace(send, approves_writes=True) if self.tool_limits.approve_writes else send

    async def _adopt(self, run: LiveRun, send: SendMessage) -> None:
        """Take the run into hand, which has a place already: nobody else would end it then."""
        async with self.database.write() as session:
            adopted = await tool_rounds.adopt_run(session, run.run_id, owner=self.owner)
            left_behind = None if adopted is None else await read_left(session, adopted)
        if adopted is not None and left_behind is not None:
            run.journal.epoch = adopted.epoch
            run.journal.restore(left_behind.events)
            run.earlier.extend(left_behind.earlier)
            for event in left_behind.unshown:
                run.journal.append(event)
        if not run.begun.done():
            run.begun.set_result(None)
        if adopted is not None and left_behind is not None:
            await self._resume(run, send, adopted, left_behind)

    async def _resume(self, run: LiveRun, send: SendMessage, stored: Run, left_behind: LeftBehind) -> None:
        try:
            async with self.database.read() as session:
                plan = await make_plan(session, self.registry, self.vault, self.instance_key, self.models, send)
            history = await wait_for_history(self.database, self.limits, send, run.message_id)
        except GatewayError as error:
            failed = Outcome(RunStatus.FAILED, error)
            ending = Ending(run=run, request_id=send.request_id, outcome=failed, before=left_behind.said)
            await EndStore(self.database, self.limits, self.clock).end(ending)
            return
        carrier = self._carrier()
        answer = carrier.new_answer(run, plan)
        answer.resume(attempts=stored.attempts or (), said=left_behind.said, usage=left_behind.usage)
        await carrier.carry(run, send, Begun(plan, 0, history, left_behind.call_ids, left_behind.staying), answer)

    async def _start(self, send: SendMessage, left: Left | None) -> LiveRun | Earlier:
        if send.claim is not None:
            async with self.database.read() as session:
                earlier = await self._earlier(session, send)
            if earlier is not None:
                return earlier
        if send.on_conflict is not OnConflict.ENQUEUE:
            self.hub.refuse_busy(send.user_id, send.conversation_id)
        run = LiveRun(
            run_id=self.new_id(),
            user_id=send.user_id,
            conversation_id=send.conversation_id,
            user_message_id=self.new_id(),
            message_id=self.new_id(),
            log=self.log,
        )
        await self.hub.start(run, self._run(run, send), left=left)
        try:
            await self._until_begun(run)
        except _BegunBefore as before:
            return before.run
        return run

    async def _until_begun(self, run: LiveRun) -> None:
        try:
            async with asyncio.timeout(self.limits.begin_s):
                await asyncio.shield(run.begun)
        except TimeoutError:
            gone = StorageUnavailable()
            run.refuse(gone)
            run.stop(Interrupted())
            raise gone from None

    async def _earlier(self, session: Session, send: SendMessage) -> Earlier | None:
        if send.claim is None:
            return None
        found = await idempotency.find_claimed(session, send.claim, user_id=send.user_id, now=self.clock.now())
        if found is None:
            return None
        run = await runs.get_run(session, user_id=send.user_id, run_id=found)
        return Earlier(run.id, run.message_id)

    @property
    def _stopping(self) -> Stopping:
        return Stopping(
            database=self.database,
            hub=self.hub,
            wakeups=self.wakeups,
            owner=self.owner,
            limits=self.limits,
            clock=self.clock,
        )

    async def _run(self, run: LiveRun, send: SendMessage) -> None:
        self.first_words.expect(run)
        try:
            begun = await self._begin(run, send)
        finally:
            asyncio.get_running_loop().call_later(ASKING_S, self.first_words.passed_on, run)
        carrier = self._carrier()
        await carrier.carry(run, send, begun, carrier.new_answer(run, begun.plan))

    async def _begin(self, run: LiveRun, send: SendMessage) -> Begun:
        """Decide what the run is, and store its message and its first event: a refusal stores nothing.

        A caller who was told to come back finds nothing stored either, with one exception: whoever gives up after
        the last look, while the commit is under way, may find the message with an interrupted answer. The model is
        not asked then.
        """
        begun, first = await self.database.do(partial(self._begin_in, run=run, send=send))
        run.journal.publish_kept(first)
        if not run.begun.done():
            run.begun.set_result(None)
        return begun

    async def _begin_in(self, session: Session, *, run: LiveRun, send: SendMessage) -> tuple[Begun, Entry]:
        locked = await runs.lock_conversation(session, user_id=send.user_id, conversation_id=send.conversation_id)
        earlier = await self._earlier(session, send)
        if earlier is not None:
            raise _BegunBefore(earlier)
        plan = await make_plan(session, self.registry, self.vault, self.instance_key, self.models, send)
        run.provider, run.model = plan.route.provider.id, plan.route.model
        run.user_message_id = plan.place.question or run.user_message_id
        begun = await runs.begin_run(
            session, new_run(run, send, plan, owner=self.owner, clock=self.clock), now=self.clock.now(), locked=locked
        )
        first = run.journal.number(first_event(run, begun))
        await run_events.add_event(session, run.run_id, first)
        if send.claim is not None:
            now = self.clock.now()
            await idempotency.put_claim(session, send.claim, user_id=send.user_id, run_id=run.run_id, now=now)
        waits = begun.status is RunStatus.QUEUED
        history = None if waits else await read_history(session, self.limits, send, begun.message_seq)
        if run.begun.done():  # the caller has been told to come back; this error takes the message back
            raise StorageUnavailable
        return Begun(plan, begun.message_seq, history), first

    def _carrier(self) -> Carrier:
        return Carrier(
            database=self.database,
            vault=self.vault,
            registry=self.registry,
            client=self.client,
            wakeups=self.wakeups,
            owner=self.owner,
            limits=self.limits,
            budget=self.budget,
            instance_key=self.instance_key,
            voyage=self.voyage,
            models=self.models,
            tools=self.tools,
            tool_limits=self.tool_limits,
            clock=self.clock,
        )
