"""One run from the caller's message to its one terminal event; the only place that orders things."""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import final
from uuid import UUID

import structlog

from app.db import conversations, credentials, messages, runs
from app.db.session import Database
from app.errors import GatewayError, Interrupted, ProviderNotAvailable, ProviderTimeout, StorageUnavailable
from app.events import RunStarted, RunStatus
from app.providers.model import ModelClient, ModelRequest, ToolSpec
from app.providers.provider import Route
from app.providers.registry import Registry, normalise
from app.runs.answer import Answer, origin_of
from app.runs.clock import Clock
from app.runs.credentials import InstanceKey, open_api_key
from app.runs.ending import Ending
from app.runs.history import to_chat_messages
from app.runs.hub import RunHub, log_crash
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.runs.outcome import Outcome, judge
from app.runs.prompt import SYSTEM_PROMPT
from app.secret import Secret
from app.vault import Vault

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """What a caller asks for; provider and model None leave the choice to the operator and the catalogue."""

    user_id: str
    conversation_id: UUID
    text: str
    provider: str | None = None
    model: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | None = None
    request_id: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Runner:
    """Turns messages into runs; everything replaceable is given to it."""

    database: Database
    vault: Vault
    registry: Registry
    client: ModelClient
    hub: RunHub
    limits: RunLimits = field(default_factory=RunLimits)
    instance_key: InstanceKey | None = None
    clock: Clock = field(default_factory=Clock)
    new_id: Callable[[], UUID] = uuid.uuid4

    async def start(self, send: SendMessage) -> LiveRun:
        """Store the message and begin its run, which goes on whether or not the caller stays.

        Raises every error that has an HTTP status; then nothing is stored and no event exists.
        """
        route = self._resolve(send)
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
            run.stop(Interrupted())
            raise StorageUnavailable from None
        return run

    def _resolve(self, send: SendMessage) -> Route:
        """Choose where the call goes, from what the caller named, then the operator, then the catalogue."""
        instance = self.instance_key
        provider = normalise(send.provider or (instance.provider if instance else None) or self._first_usable())
        model = send.model or (instance.model if instance and instance.serves(provider) else None)
        return self.registry.resolve(provider, model)

    def _first_usable(self) -> str:
        for provider in self.registry.all():
            if provider.enabled and not provider.retired:
                return provider.id
        raise ProviderNotAvailable

    async def _run(self, run: LiveRun, send: SendMessage, route: Route) -> None:
        api_key = await self._begin(run, send, route)
        answer = Answer(run, route, client=self.client, limits=self.limits, clock=self.clock)
        asking = asyncio.create_task(self._ask(answer, send, route, api_key), name=f"answer {run.run_id}")
        run.attach(asking)
        told = Outcome(RunStatus.INTERRUPTED, Interrupted())
        ending = Ending(run=run, answer=answer, outcome=told, latency_ms=0, request_id=send.request_id)
        try:
            failure = await self._over(asking, run, route)
            answer.end()
            outcome = judge(answer.draft, failure, run.stopped_by, origin=origin_of(route))
            told = Outcome(RunStatus.FAILED, StorageUnavailable())
            ending = replace(ending, outcome=outcome, latency_ms=answer.elapsed_ms)
            if await self._store(ending, self.limits.store_pauses_s):
                told = outcome
        finally:
            asking.cancel()
            ending = replace(ending, outcome=told)
            run.journal.append(ending.event())
            _log.info("run.ended", **ending.logged())
        if told is not outcome:
            await self._store(ending, self.limits.late_store_pauses_s)
        await asyncio.wait({asking})

    async def _begin(self, run: LiveRun, send: SendMessage, route: Route) -> Secret | None:
        """Open the key, then store the message: a refusal stores nothing."""
        async with self.database.read() as session:
            await conversations.get_conversation(session, user_id=send.user_id, conversation_id=send.conversation_id)
            stored = await credentials.find_credential(session, user_id=send.user_id, provider=route.provider.id)
        api_key = open_api_key(self.vault, stored, user_id=send.user_id, route=route, instance_key=self.instance_key)
        async with self.database.write() as session:
            await runs.begin_run(
                session,
                user_id=send.user_id,
                conversation_id=send.conversation_id,
                run_id=run.run_id,
                user_message_id=run.user_message_id,
                message_id=run.message_id,
                text=send.text,
                provider=run.provider,
                model=run.model,
                now=self.clock.now(),
            )
        started = RunStarted(
            conversation_id=str(run.conversation_id),
            user_message_id=str(run.user_message_id),
            message_id=str(run.message_id),
            provider=run.provider,
            model=run.model,
        )
        run.journal.append(started)
        run.begun.set_result(None)
        return api_key

    async def _ask(self, answer: Answer, send: SendMessage, route: Route, api_key: Secret | None) -> None:
        async with self.database.read() as session:
            stored = await messages.list_messages(session, user_id=send.user_id, conversation_id=send.conversation_id)
        request = ModelRequest(
            route=route,
            api_key=api_key,
            own_key=self.instance_key is None or api_key is not self.instance_key.api_key,
            messages=to_chat_messages(stored, SYSTEM_PROMPT),
            tools=send.tools,
            tool_choice=send.tool_choice,
            deadlines=route.provider.deadlines,
            session_id=str(send.conversation_id),
        )
        await answer.ask(request)

    async def _over(self, asking: "asyncio.Task[None]", run: LiveRun, route: Route) -> BaseException | None:
        """Wait for the model call and give what it failed with; one that ignores its own deadline is left behind."""
        total_s = route.provider.deadlines.total_s
        await asyncio.wait({asking}, timeout=total_s + self.limits.close_s)
        if not asking.done():
            _log.error("run.stuck", run_id=str(run.run_id), provider=route.provider.id)
            return ProviderTimeout(origin=origin_of(route))
        if asking.cancelled():
            return asyncio.CancelledError()
        failure = asking.exception()
        if failure is not None and not isinstance(failure, GatewayError):
            log_crash(failure, run.run_id)
        return failure

    async def _store(self, ending: Ending, pauses_s: Iterable[float]) -> bool:
        """Store the end in one transaction, trying again after each pause; False when storage stays away."""
        for pause_s in (*pauses_s, None):
            try:
                async with asyncio.timeout(self.limits.store_s), self.database.write() as session:
                    await runs.finish_run(session, run_id=ending.run.run_id, now=self.clock.now(), **ending.stored())
            except (GatewayError, TimeoutError):
                _log.warning("run.not_stored", run_id=str(ending.run.run_id), retry_in_s=pause_s)
            else:
                return True
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        return False
