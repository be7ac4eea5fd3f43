"""Carries a run that has begun to its one terminal event; the only place that orders what happens on the way."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from app.db import runs
from app.db.attempts import note_attempts
from app.db.session import Database
from app.errors import InternalError, Interrupted, NotFound
from app.events import RunStatus
from app.providers.model import ModelClient
from app.providers.model_lookup import ModelLookup
from app.providers.registry import Registry
from app.runs.answer import Answer, origin_of
from app.runs.beginning import started
from app.runs.clock import Clock
from app.runs.credentials import InstanceKey
from app.runs.end_store import EndStore
from app.runs.ending import Ending
from app.runs.fallback import Fallbacks
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.model_call import failure_of
from app.runs.model_request import History, Script, make_script, wait_for_history
from app.runs.outcome import Outcome, judge
from app.runs.plan import Plan
from app.runs.replica import run_topic
from app.runs.retry_budget import RetryBudget
from app.runs.send import SendMessage
from app.runs.steps import Steps
from app.runs.tools.behalf import caller_of
from app.runs.tools.box import open_box
from app.runs.tools.call import Call
from app.runs.tools.held import HeldCalls
from app.runs.tools.ledger import Ledger
from app.runs.tools.limits import ToolLimits
from app.runs.turn import conversation_topic, take_turn
from app.tools.tool import ToolSource
from app.vault import Vault
from app.voyage.client import VoyageClient
from app.wakeups import Wakeups


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known once the message is stored."""

    plan: Plan
    message_seq: int
    history: History | None
    """None for a message that waits for its turn: by then there is more of it."""
    used_ids: frozenset[str] = frozenset()
    """Of the tool calls that the run has made already."""
    staying: Sequence[Call] = ()
    """Those of them that another process has left to go on with, before the model is asked."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """See `Runner`, whose parts these are."""

    database: Database
    vault: Vault | None
    registry: Registry
    client: ModelClient
    wakeups: Wakeups
    owner: str
    limits: RunLimits
    budget: RetryBudget
    instance_key: InstanceKey | None
    voyage: VoyageClient | None
    models: ModelLookup | None
    tools: Sequence[ToolSource]
    tool_limits: ToolLimits
    clock: Clock

    async def carry(self, run: LiveRun, send: SendMessage, begun: Begun, answer: Answer) -> None:
        """Carry a run that has begun to its end."""
        plan = begun.plan
        work = self._answer(run, send, answer, begun)
        asking = asyncio.create_task(work, name=f"answer {run.run_id}")
        run.attach(asking)
        bare = Ending(run=run, request_id=send.request_id, outcome=Outcome(RunStatus.FAILED, InternalError()))
        store = EndStore(self.database, self.limits, self.clock)
        try:
            # A wait for its turn ends with the runs before it, which have their own deadlines; the provider's time
            # begins when Voyage's is over.
            total_s = plan.route.provider.deadlines.total_s
            seconds = self.limits.context_s + total_s + self.limits.close_s
            if self.tools or send.awaits_tools:
                limits = self.tool_limits
                seconds += limits.list_s + limits.total_s + total_s
                seconds += limits.rounds * limits.wait_s if send.may_wait else 0.0
            waiting = seconds * runs.MAX_QUEUED if begun.history is None else 0.0
            failure = await failure_of(asking, run, seconds=seconds + waiting, origin=origin_of(plan.route))
            if run.parked and isinstance(run.stopped_by, Interrupted):
                run.journal.leave()  # another process goes on once the caller has answered
                return
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

    async def _answer(self, run: LiveRun, send: SendMessage, answer: Answer, begun: Begun) -> None:
        """Wait for its turn, then ask the model."""
        history = begun.history
        if history is None:
            try:
                await take_turn(self.database, self.wakeups, run, owner=self.owner)
            except NotFound:
                raise Interrupted from None
            run.journal.append(started(run))
            answer.restart_clock()
            history = await wait_for_history(self.database, self.limits, send, run.message_id)
        caller = caller_of(send, history)
        sources = self.tools if self._takes_tools(begun.plan) else ()
        taken = frozenset(tool.name for tool in send.tools)
        async with open_box(sources, caller, self.tool_limits, besides=taken) as box:
            steps = Steps(
                run,
                answer,
                box,
                Ledger(self.database, run, self.clock, seconds=self.limits.history_s),
                HeldCalls(self.database, self.wakeups, run, self.tool_limits),
                plan=begun.plan,
                send=send,
                limits=self.limits,
                tool_limits=self.tool_limits,
                clock=self.clock,
                used_ids=begun.used_ids,
            )
            if begun.staying:
                await steps.finish(begun.staying)
                history = await wait_for_history(self.database, self.limits, send, run.message_id)
            chars = self.tool_limits.model_chars
            script = await make_script(self.voyage, self.limits, send, history, box.specs, result_chars=chars)
            await steps.run(script, lambda script, plan: self._fallbacks(send, plan, script).following)

    def _takes_tools(self, plan: Plan) -> bool:
        """Tell whether the model can call tools, as far as its list says."""
        return self.models is None or self.models.takes_tools(plan.route, plan.key.secret, own_key=plan.key.own)

    def new_answer(self, run: LiveRun, plan: Plan) -> Answer:
        """Give the answer of a run, before anything of it has come."""
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
