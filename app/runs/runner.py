"""One run from the caller's message to its one terminal event; the only place that orders things."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, final
from uuid import UUID

import structlog

from app.db import idempotency, run_events, runs
from app.db.attempts import note_attempts
from app.db.session import Database, Session
from app.entry import Entry
from app.errors import (
    ConversationBusy,
    InternalError,
    Interrupted,
    NotFound,
    StorageUnavailable,
)
from app.events import ContextTruncated, RunStatus
from app.providers.model import ModelClient
from app.providers.model_lookup import ModelLookup
from app.providers.registry import Registry
from app.runs.admission import Left
from app.runs.answer import Answer, origin_of
from app.runs.beginning import first_event, new_run, started
from app.runs.clock import Clock
from app.runs.credentials import InstanceKey
from app.runs.end_store import EndStore
from app.runs.ending import Ending
from app.runs.fallback import Fallbacks
from app.runs.hub import RunHub
from app.runs.journal import Log
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.model_call import failure_of
from app.runs.model_request import History, Script, make_request, make_script, read_history, wait_for_history
from app.runs.outcome import Outcome, judge
from app.runs.plan import Plan, make_plan
from app.runs.replica import owner_topic, run_topic
from app.runs.retry_budget import RetryBudget
from app.runs.send import OnConflict, SendMessage
from app.runs.turn import conversation_topic, take_turn
from app.vault import Vault
from app.voyage.client import VoyageClient
from app.wakeups import Wakeups

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


@dataclass(frozen=True, slots=True)
class _Begun:
    """What is known once the message is stored."""

    plan: Plan
    first: Entry
    message_seq: int
    history: History | None
    """None for a message that waits for its turn: by then there is more of it."""


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
    wakeups: Wakeups = field(default_factory=Wakeups)
    owner: str = "alone"
    """The id of this process."""
    limits: RunLimits = field(default_factory=RunLimits)
    budget: RetryBudget = field(default_factory=RetryBudget)
    """What all runs may try again."""
    instance_key: InstanceKey | None = None
    voyage: VoyageClient | None = None
    models: ModelLookup | None = None
    clock: Clock = field(default_factory=Clock)
    new_id: Callable[[], UUID] = uuid.uuid4

    async def start(self, send: SendMessage, *, left: Left | None = None) -> LiveRun | Earlier:
        """Store the message and begin its run, which goes on whether or not the caller stays.

        Only while it waits for a place among the live runs does it end with `left`, by `Cancelled`.

        Gives the earlier run where the same request was made before. Raises every error that has an HTTP status;
        then nothing is stored and no event exists. Only a `StorageUnavailable` in the very moment of the commit may
        be wrong about that: see `_begin`.
        """
        try:
            return await self._start(send, left)
        except ConversationBusy as busy:
            if send.on_conflict is not OnConflict.INTERRUPT or busy.run_id is None:
                raise
            await self._interrupt(send, UUID(busy.run_id))
        return await self._start(send, left)

    async def cancel(self, user_id: str, run_id: UUID) -> RunStatus:
        """Stop a run of the user's wherever it is in hand; gives its status, `RUNNING` or `QUEUED` while it stops.

        Asking again changes nothing. Raises `NotFound`.
        """
        if self.hub.cancel(run_id, user_id):
            return RunStatus.RUNNING
        async with self.database.write() as session:
            run = await runs.request_cancel(session, user_id=user_id, run_id=run_id)
        if run.owner is not None:
            self.wakeups.tell(owner_topic(run.owner))
        return RunStatus(run.status)

    async def _start(self, send: SendMessage, left: Left | None) -> LiveRun | Earlier:
        if send.claim is not None:
            async with self.database.read() as session:
                earlier = await self._earlier(session, send)
            if earlier is not None:
                return earlier
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
            async with asyncio.timeout(self.limits.begin_s):
                await asyncio.shield(run.begun)
        except TimeoutError:
            gone = StorageUnavailable()
            run.refuse(gone)
            run.stop(Interrupted())
            raise gone from None
        except _BegunBefore as before:
            return before.run
        return run

    async def _earlier(self, session: Session, send: SendMessage) -> Earlier | None:
        if send.claim is None:
            return None
        found = await idempotency.find_claimed(session, send.claim, user_id=send.user_id, now=self.clock.now())
        if found is None:
            return None
        run = await runs.get_run(session, user_id=send.user_id, run_id=found)
        return Earlier(run.id, run.message_id)

    async def _interrupt(self, send: SendMessage, run_id: UUID) -> None:
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

    async def _run(self, run: LiveRun, send: SendMessage) -> None:
        begun = await self._begin(run, send)
        plan = begun.plan
        answer = self._new_answer(run, plan)
        work = self._answer(run, send, answer, begun)
        asking = asyncio.create_task(work, name=f"answer {run.run_id}")
        run.attach(asking)
        bare = Ending(run=run, request_id=send.request_id, outcome=Outcome(RunStatus.FAILED, InternalError()))
        store = EndStore(self.database, self.limits, self.clock)
        try:
            # A wait for its turn ends with the runs before it, which have their own deadlines; the provider's time
            # begins when Voyage's is over.
            seconds = self.limits.context_s + plan.route.provider.deadlines.total_s + self.limits.close_s
            waiting = seconds * runs.MAX_QUEUED if begun.history is None else 0.0
            failure = await failure_of(asking, run, seconds=seconds + waiting, origin=origin_of(plan.route))
            answer.end()
            outcome = judge(answer.draft, failure, run.stopped_by, origin=answer.origin)
            await store.end(bare.of(answer, outcome))
        except Exception:
            # A bug, which the hub logs. Without a stored end the conversation would stay busy.
            await store.end(replace(bare, content=answer.draft.message_content))
            raise
        finally:
            asking.cancel()
            # The end is not stored by the log, which tells of all other events.
            self.wakeups.tell(run_topic(run.run_id))
            self.wakeups.tell(conversation_topic(run))
        await asyncio.wait({asking}, timeout=self.limits.close_s)

    async def _begin(self, run: LiveRun, send: SendMessage) -> _Begun:
        """Decide what the run is, and store its message and its first event: a refusal stores nothing.

        A caller who was told to come back finds nothing stored either, with one exception: whoever gives up after
        the last look, while the commit is under way, may find the message with an interrupted answer. The model is
        not asked then.
        """
        begun = await self.database.do(partial(self._begin_in, run=run, send=send))
        run.journal.publish_kept(begun.first)
        if not run.begun.done():
            run.begun.set_result(None)
        return begun

    async def _begin_in(self, session: Session, *, run: LiveRun, send: SendMessage) -> _Begun:
        await runs.lock_conversation(session, user_id=send.user_id, conversation_id=send.conversation_id)
        earlier = await self._earlier(session, send)
        if earlier is not None:
            raise _BegunBefore(earlier)
        plan = await make_plan(session, self.registry, self.vault, self.instance_key, self.models, send)
        run.provider, run.model = plan.route.provider.id, plan.route.model
        run.user_message_id = plan.place.question or run.user_message_id
        begun = await runs.begin_run(
            session, new_run(run, send, plan, owner=self.owner, clock=self.clock), now=self.clock.now()
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
        return _Begun(plan, first, begun.message_seq, history)

    async def _answer(self, run: LiveRun, send: SendMessage, answer: Answer, begun: _Begun) -> None:
        """Wait for its turn, then ask the model."""
        history = begun.history
        if history is None:
            try:
                await take_turn(self.database, self.wakeups, run, owner=self.owner)
            except NotFound:
                raise Interrupted from None
            run.journal.append(started(run))
            answer.restart_clock()
            history = await wait_for_history(self.database, self.limits, send, begun.message_seq)
        script = await make_script(self.voyage, self.limits, send, history)
        request, left_out = make_request(self.limits, send, begun.plan, script)
        if left_out:
            run.journal.append(ContextTruncated(left_out=left_out))
        await answer.ask(request, self._fallbacks(send, begun.plan, script).following)

    def _new_answer(self, run: LiveRun, plan: Plan) -> Answer:
        return Answer(
            run,
            plan.route,
            client=self.client,
            limits=self.limits,
            clock=self.clock,
            budget=self.budget,
            note=self._note(run),
        )

    def _fallbacks(self, send: SendMessage, plan: Plan, script: Script) -> Fallbacks:
        return Fallbacks(
            database=self.database,
            registry=self.registry,
            vault=self.vault,
            instance_key=self.instance_key,
            models=self.models,
            limits=self.limits,
            send=send,
            plan=plan,
            script=script,
        )

    def _note(self, run: LiveRun) -> Callable[[Sequence[dict[str, Any]]], Any]:
        async def note(attempts: Sequence[dict[str, Any]]) -> None:
            async with self.database.write() as session:
                by, epoch = (run.provider, run.model), run.journal.epoch
                await note_attempts(session, run.run_id, attempts, epoch=epoch, by=by)

        return note
