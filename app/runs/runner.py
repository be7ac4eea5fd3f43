"""One run from the caller's message to its one terminal event; the only place that orders things."""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import final
from uuid import UUID

import structlog

from app.db import conversations, messages, prompts, runs
from app.db.session import Database
from app.errors import InternalError, Interrupted, StorageUnavailable
from app.events import RunStarted, RunStatus
from app.providers.model import ModelClient, ModelRequest, ToolSpec
from app.providers.provider import Route
from app.providers.registry import Registry
from app.runs.answer import Answer, origin_of
from app.runs.choice import choose
from app.runs.clock import Clock
from app.runs.context import gather
from app.runs.credentials import InstanceKey, OpenedKey, find_api_key
from app.runs.ending import Ending
from app.runs.history import to_chat_messages
from app.runs.hub import RunHub
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.model_call import failure_of
from app.runs.outcome import Outcome, judge
from app.runs.prompt import BUILT_IN_PROMPT, TripNotes, compose
from app.secret import Secret
from app.vault import Vault
from app.voyage.client import VoyageClient

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """What a caller asks for; provider and model None leave the choice to their settings, then to the operator."""

    user_id: str
    conversation_id: UUID
    text: str
    session: Secret | None = None
    """The caller's own at Voyage: what it may see of the trip decides what the model is told."""
    notes: TripNotes = field(default_factory=TripNotes)
    provider: str | None = None
    model: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | None = None
    request_id: str | None = None


class Stored(Enum):
    """What became of storing the end of a run."""

    DONE = "done"
    OVERTAKEN = "overtaken"
    """The run had ended in the database already, or its conversation is gone."""
    AWAY = "away"


@final
@dataclass(frozen=True, slots=True)
class Runner:
    """Turns messages into runs; everything replaceable is given to it."""

    database: Database
    vault: Vault | None
    registry: Registry
    client: ModelClient
    hub: RunHub
    limits: RunLimits = field(default_factory=RunLimits)
    instance_key: InstanceKey | None = None
    voyage: VoyageClient | None = None
    clock: Clock = field(default_factory=Clock)
    new_id: Callable[[], UUID] = uuid.uuid4

    async def start(self, send: SendMessage) -> LiveRun:
        """Store the message and begin its run, which goes on whether or not the caller stays.

        Raises every error that has an HTTP status; then nothing is stored and no event exists. Only a
        `StorageUnavailable` in the very moment of the commit may be wrong about that: see `_begin`.
        """
        route = await self._route(send)
        run = LiveRun(
            run_id=self.new_id(),
            user_id=send.user_id,
            conversation_id=send.conversation_id,
            user_message_id=self.new_id(),
            message_id=self.new_id(),
            provider=route.provider.id,
            model=route.model,
        )
        self.hub.start(run, self._run(run, send, route))
        try:
            async with asyncio.timeout(self.limits.begin_s):
                await asyncio.shield(run.begun)
        except TimeoutError:
            gone = StorageUnavailable()
            run.refuse(gone)
            run.stop(Interrupted())
            raise gone from None
        return run

    async def _route(self, send: SendMessage) -> Route:
        """Choose where the call goes, once the conversation is known to be the caller's: otherwise it is absent."""
        try:
            async with asyncio.timeout(self.limits.begin_s):
                async with self.database.read() as session:
                    await conversations.get_conversation(
                        session, user_id=send.user_id, conversation_id=send.conversation_id
                    )
                return await choose(
                    self.database,
                    self.registry,
                    self.instance_key,
                    user_id=send.user_id,
                    provider=send.provider,
                    model=send.model,
                )
        except TimeoutError:
            raise StorageUnavailable from None

    async def _run(self, run: LiveRun, send: SendMessage, route: Route) -> None:
        key = await self._begin(run, send, route)
        answer = Answer(run, route, client=self.client, limits=self.limits, clock=self.clock)
        asking = asyncio.create_task(self._ask(answer, send, route, key), name=f"answer {run.run_id}")
        run.attach(asking)
        bare = Ending(run=run, request_id=send.request_id, outcome=Outcome(RunStatus.FAILED, InternalError()))
        try:
            # The provider's time begins when Voyage's is over.
            seconds = self.limits.context_s + route.provider.deadlines.total_s + self.limits.close_s
            failure = await failure_of(asking, run, seconds=seconds, origin=origin_of(route))
            answer.end()
            outcome = judge(answer.draft, failure, run.stopped_by, origin=origin_of(route))
            await self._end(bare.of(answer, outcome))
        except asyncio.CancelledError:
            # Killed by the hub, which has no time left for storing; the next start does that.
            _tell(bare.of(answer, Outcome(RunStatus.INTERRUPTED, Interrupted())))
            raise
        except Exception:
            # A bug, which the hub logs. Without a stored end the conversation would stay busy.
            await self._end(replace(bare, content=answer.draft.message_content))
            raise
        finally:
            asking.cancel()
        await asyncio.wait({asking}, timeout=self.limits.close_s)

    async def _end(self, ending: Ending) -> None:
        """Store the end, then tell it; while storage stays away the reader is told that, and it is stored later."""
        stored = await self._store(ending, self.limits.store_pauses_s)
        if stored is Stored.AWAY:
            ending = replace(ending, outcome=Outcome(RunStatus.FAILED, StorageUnavailable()))
        elif stored is Stored.OVERTAKEN and ending.outcome.status is not RunStatus.CANCELLED:
            # Another process took this run for dead: what it wrote stands, so nothing else may be told.
            ending = replace(ending, outcome=Outcome(RunStatus.INTERRUPTED, Interrupted()))
        _tell(ending)
        if stored is Stored.AWAY:
            await self._store(ending, self.limits.late_store_pauses_s)

    async def _begin(self, run: LiveRun, send: SendMessage, route: Route) -> OpenedKey:
        """Open the key, then store the message: a refusal stores nothing.

        A caller who was told to come back finds nothing stored either, with one exception: whoever gives up after
        the last look, while the commit is under way, may find the message with an interrupted answer. The model is
        not asked then.
        """
        key = await find_api_key(self.database, self.vault, self.instance_key, user_id=send.user_id, route=route)
        async with self.database.write() as session:
            await runs.begin_run(session, _new_run(run, send), now=self.clock.now())
            if run.begun.done():  # the caller has been told to come back; this error takes the message back
                raise StorageUnavailable
        started = RunStarted(
            conversation_id=str(run.conversation_id),
            user_message_id=str(run.user_message_id),
            message_id=str(run.message_id),
            provider=run.provider,
            model=run.model,
        )
        run.journal.append(started)
        if not run.begun.done():
            run.begun.set_result(None)
        return key

    async def _ask(self, answer: Answer, send: SendMessage, route: Route, key: OpenedKey) -> None:
        async with self.database.read() as session:
            stored = await messages.list_newest_messages(
                session,
                user_id=send.user_id,
                conversation_id=send.conversation_id,
                max_messages=self.limits.max_history_messages,
                max_chars=self.limits.max_history_chars,
            )
            base = await prompts.find_prompt(session) or BUILT_IN_PROMPT
        trip, preferences = await gather(
            self.voyage, send.session, send.notes.collection_id, seconds=self.limits.context_s
        )
        system = compose(base, send.notes, trip=trip, preferences=preferences, tools=bool(send.tools))
        request = ModelRequest(
            route=route,
            api_key=key.secret,
            own_key=key.own,
            messages=to_chat_messages(stored, system),
            tools=send.tools,
            tool_choice=send.tool_choice,
            deadlines=route.provider.deadlines,
            session_id=str(send.conversation_id),
        )
        await answer.ask(request)

    async def _store(self, ending: Ending, pauses_s: Iterable[float]) -> Stored:
        """Store the end in one transaction, trying again after each pause while storage stays away."""
        for pause_s in (*pauses_s, None):
            try:
                async with asyncio.timeout(self.limits.store_s), self.database.write() as session:
                    won = await runs.finish_run(session, ending.run.run_id, ending.stored(), now=self.clock.now())
            except (StorageUnavailable, TimeoutError):
                _log.warning("run.not_stored", run_id=str(ending.run.run_id), retry_in_s=pause_s)
            else:
                return Stored.DONE if won else Stored.OVERTAKEN
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        return Stored.AWAY


def _new_run(run: LiveRun, send: SendMessage) -> runs.NewRun:
    return runs.NewRun(
        user_id=send.user_id,
        conversation_id=send.conversation_id,
        run_id=run.run_id,
        user_message_id=run.user_message_id,
        message_id=run.message_id,
        text=send.text,
        provider=run.provider,
        model=run.model,
    )


def _tell(ending: Ending) -> None:
    """Close the journal, once."""
    if not ending.run.journal.closed:
        ending.run.journal.append(ending.event())
        _log.info("run.ended", **ending.logged())
