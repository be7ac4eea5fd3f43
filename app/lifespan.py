"""Opens the services of the application, in an order in which each has what it needs, and closes them again."""

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from app.auth.caller import Authenticator
from app.auth.dev import DevAuthenticator
from app.auth.methods import Methods
from app.auth.service_tokens import ServiceTokens
from app.auth.static_tokens import StaticTokens
from app.auth.voyage_session import VoyageSessions
from app.db.engine import database_label, sqlite_path
from app.db.event_store import EventStore
from app.db.key_checks import verify_key_checks
from app.db.lock import only_process
from app.db.run_events import NewEvents
from app.db.session import Database
from app.deps import Services
from app.doctor.desk import Doctor
from app.doctor.diagnosis import Means
from app.doctor.network import Network
from app.doctor.wish import Archive
from app.errors import ConfigError
from app.providers import litellm_loading
from app.providers.address import AddressGuard
from app.providers.advised_client import AdvisedClient
from app.providers.first_words import FirstWords
from app.providers.lanes import Lanes
from app.providers.litellm_lane import LitellmLane
from app.providers.model import ModelClient
from app.providers.model_lookup import ModelLookup
from app.providers.models_cache import ModelsCache
from app.providers.native_lane import NativeLane
from app.providers.provider import Lane
from app.providers.registry import Registry
from app.providers.transport import Transport
from app.runs.clients import make_clients
from app.runs.clock import utc_now
from app.runs.credentials import InstanceKey
from app.runs.event_log import EventLog
from app.runs.hub import RunHub
from app.runs.limits import RunLimits
from app.runs.readers import Readers
from app.runs.replica import Replica, run_topic
from app.runs.retry import RetryPolicy
from app.runs.runner import Runner
from app.runs.spill import Spill, restore
from app.settings import Settings, as_secret
from app.tokens import TokenBook
from app.tool_sources import open_sources, tool_limits_of
from app.tools.tool import ToolSource
from app.vault import Vault
from app.voyage.client import VoyageClient
from app.wakeups import Wakeups, wakeups_over

_LOG: Final[Any] = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What is known before anything is opened; making it finds every mistake of the configuration."""

    settings: Settings
    static_tokens: StaticTokens
    trusted_origins: frozenset[str]
    vault: Vault | None
    registry: Registry
    instance_key: InstanceKey | None
    client: ModelClient | None
    tools: tuple[ToolSource, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a runner stands on."""

    database: Database
    voyage: VoyageClient | None
    hub: RunHub
    wakeups: Wakeups
    log: EventLog
    replica: Replica
    sources: tuple[ToolSource, ...]


@asynccontextmanager
async def open_services(blueprint: Blueprint) -> AsyncGenerator[Services]:
    """Open everything, give it, and close it in the reverse order; raises `ConfigError` or `StorageUnavailable`."""
    settings = blueprint.settings
    async with AsyncExitStack() as stack:
        database = Database.open(settings.database_url, pool=settings.database_pool)
        stack.push_async_callback(database.close)
        stack.enter_context(only_process(settings.database_url))
        await _prepare(database, blueprint.vault)
        transport = await stack.enter_async_context(_transport(settings))
        voyage = await _open_voyage(settings, stack)
        models = ModelsCache(transport)
        stack.push_async_callback(models.close)
        lane = LitellmLane(transport, loader=litellm_loading.load_warm)
        stack.push_async_callback(lane.close)
        ground = await _open_ground(blueprint, database, voyage, transport.first_words, stack)
        readers = Readers(database, ground.hub, ground.wakeups)
        stack.push_async_callback(readers.close)
        client = blueprint.client or Lanes(native=NativeLane(transport), litellm=lane)
        clients = make_clients(client, database, circuit_failures=settings.circuit_failures)
        runner = _runner(blueprint, ground, clients.families, ModelLookup(models))
        doctor = _doctor(blueprint, database, transport, clients.insistent)
        stack.push_async_callback(doctor.close)
        if blueprint.client is None and _needs_litellm(blueprint):
            # Last, so that the server listens before the import takes its share of the processor.
            lane.begin_loading(needed=True)
        yield Services(
            settings=settings,
            authenticator=_authenticator(blueprint, database, voyage, stack),
            database=database,
            vault=blueprint.vault,
            registry=blueprint.registry,
            transport=transport,
            models=models,
            families=clients.families,
            circuits=clients.circuits,
            voyage=voyage,
            lane=lane if blueprint.client is None else None,
            hub=ground.hub,
            readers=readers,
            runner=runner,
            doctor=doctor,
        )


def _transport(settings: Settings) -> Transport:
    guard = AddressGuard.of(settings.allowed_networks)
    return Transport(guard=guard, max_response_bytes=settings.max_response_bytes)


async def _open_voyage(settings: Settings, stack: AsyncExitStack) -> VoyageClient | None:
    if not settings.voyage_url:
        return None
    return await stack.enter_async_context(VoyageClient(settings.voyage_url, seconds=settings.voyage_seconds))


async def _open_ground(
    blueprint: Blueprint,
    database: Database,
    voyage: VoyageClient | None,
    first_words: FirstWords,
    stack: AsyncExitStack,
) -> _Ground:
    """Take over what the last process has left, then give what runs need; it is closed with `stack`."""
    settings = blueprint.settings
    hub = RunHub(settings.max_runs, settings.max_runs_per_user, grace_s=settings.shutdown_grace_seconds)
    wakeups = await stack.enter_async_context(wakeups_over(as_secret(settings.valkey_url), prefix="gateway"))
    replica = _replica(blueprint, database, hub, wakeups)
    stack.push_async_callback(replica.close)
    log = await _open_log(blueprint, database, wakeups, first_words, stack)
    await replica.open()
    # The runs end first, then the log has everything of theirs, then this process says that it is gone.
    stack.push_async_callback(hub.drain)
    sources = await open_sources(settings, voyage, stack)
    return _Ground(database, voyage, hub, wakeups, log, replica, sources)


def _replica(blueprint: Blueprint, database: Database, hub: RunHub, wakeups: Wakeups) -> Replica:
    settings = blueprint.settings
    return Replica(
        database,
        hub,
        wakeups,
        lease_s=settings.lease_seconds,
        keep_events=timedelta(hours=settings.event_retention_hours),
    )


async def _open_log(
    blueprint: Blueprint, database: Database, wakeups: Wakeups, first_words: FirstWords, stack: AsyncExitStack
) -> EventLog:
    """Store what the last process could not, then give the writer of events, which is closed with `stack`."""
    folder = await asyncio.to_thread(spill_folder, blueprint.settings)
    store = EventStore(database)
    stack.push_async_callback(store.close)
    # Several gateways may share a folder: what one database has not, another one would refuse.
    label = await asyncio.to_thread(database_label, blueprint.settings.database_url)

    async def append(events: Sequence[NewEvents]) -> None:
        refused = (await store.append(events)).refused
        if refused:
            _LOG.warning("events_from_spill_refused", runs=len(refused), reason="ended by another process")

    await store.recover()
    restored = await restore(folder, append, names=f"{label}-*")
    await store.fold(everything=True)
    if restored:
        _LOG.warning("events_restored_from_spill", count=restored)
    spill = Spill(folder, f"{label}-{uuid.uuid4().hex}")
    log = EventLog(store, spill, tell=lambda run_id: wakeups.tell(run_topic(run_id)), first_words=first_words)
    log.open()
    stack.push_async_callback(log.close)
    return log


def spill_folder(settings: Settings) -> Path:
    """Give where events wait while the database is away; raises `ConfigError` where nothing can be written."""
    if settings.spill_dir is not None:
        folder = settings.spill_dir
    else:
        file = sqlite_path(settings.database_url)
        folder = file.parent if file is not None else Path(tempfile.gettempdir())
    if not os.access(folder, os.W_OK | os.X_OK):
        message = "GATEWAY_SPILL_DIR: not a folder that this process may write to."
        raise ConfigError(message)
    return folder


def _runner(blueprint: Blueprint, ground: _Ground, client: ModelClient, models: ModelLookup) -> Runner:
    settings = blueprint.settings
    runner = Runner(
        ground.database,
        blueprint.vault,
        blueprint.registry,
        AdvisedClient(client, models),
        ground.hub,
        log=ground.log,
        first_words=ground.log.first_words,
        wakeups=ground.wakeups,
        owner=ground.replica.id,
        limits=RunLimits(
            max_answer_chars=settings.max_answer_chars,
            context_s=settings.context_seconds,
            retry=RetryPolicy(max_attempts=settings.max_attempts),
        ),
        instance_key=blueprint.instance_key,
        voyage=ground.voyage,
        models=models,
        tools=(*blueprint.tools, *ground.sources),
        tool_limits=tool_limits_of(settings),
    )
    ground.replica.let_go_on(runner.go_on)
    return runner


def _doctor(blueprint: Blueprint, database: Database, transport: Transport, client: ModelClient) -> Doctor:
    settings = blueprint.settings
    archive = Archive(
        database=database,
        vault=blueprint.vault,
        registry=blueprint.registry,
        instance_key=blueprint.instance_key,
    )
    means = Means(
        transport=transport, network=Network(permit=AddressGuard.of(settings.allowed_networks).permit), client=client
    )
    return Doctor(archive, means, looks_at_keys=settings.check_saved_keys)


def _authenticator(
    blueprint: Blueprint, database: Database, voyage: VoyageClient | None, stack: AsyncExitStack
) -> Authenticator:
    """Give the ways to sign in that are on; what they own is closed with `stack`."""
    if blueprint.settings.dev:
        return DevAuthenticator()
    on = blueprint.settings.auth_methods
    sessions = None
    if "voyage_session" in on and voyage is not None:
        sessions = VoyageSessions(
            voyage, ttl_s=blueprint.settings.session_cache_seconds, trusted_origins=blueprint.trusted_origins
        )
        stack.push_async_callback(sessions.close)
    book = TokenBook(database)
    stack.push_async_callback(book.close)
    return Methods(
        voyage_session=sessions,
        service_tokens=ServiceTokens(book.find) if "service_tokens" in on else None,
        static_tokens=blueprint.static_tokens if "static_tokens" in on else None,
    )


async def _prepare(database: Database, vault: Vault | None) -> None:
    """Check the master keys against the database."""
    async with database.write() as session:
        await verify_key_checks(session, vault.check_values() if vault is not None else {}, utc_now())


def _needs_litellm(blueprint: Blueprint) -> bool:
    """Tell whether the operator chose anything that litellm speaks; else it is loaded when somebody asks for it."""
    chosen = set(blueprint.registry.configured_ids)
    if blueprint.instance_key is not None:
        chosen.add(blueprint.instance_key.provider)
    return blueprint.settings.lane == Lane.LITELLM or any(
        blueprint.registry.may_take(provider, Lane.LITELLM) for provider in chosen
    )
