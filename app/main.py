"""The application: its services, opened and closed with the server, its middlewares and its routes."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware

from app.auth.caller import Authenticator
from app.auth.csrf import parse_origins
from app.auth.dev import DevAuthenticator
from app.auth.loopback import LoopbackGuard
from app.auth.methods import Methods
from app.auth.service_tokens import ServiceTokens
from app.auth.static_tokens import StaticTokens
from app.auth.voyage_session import VoyageSessions
from app.db.key_checks import verify_key_checks
from app.db.lock import only_process
from app.db.runs import interrupt_unfinished
from app.db.session import Database
from app.deps import Services
from app.errors import ConfigError, ErrorBody, GatewayError, Interrupted
from app.intake.body import BodyIntake
from app.intake.failures import Failures
from app.intake.handlers import add_handlers
from app.intake.request_id import RequestId
from app.intake.slashes import Slashes
from app.providers import litellm_warmup
from app.providers.litellm_lane import LitellmLane
from app.providers.model import ModelClient
from app.providers.models_cache import ModelsCache
from app.providers.registry import Registry, build_registry, normalise
from app.providers.transport import Transport
from app.routers import (
    ai_settings,
    capabilities,
    conversations,
    credentials,
    health,
    providers,
    runs,
    suggestions,
)
from app.runs.clock import utc_now
from app.runs.credentials import InstanceKey
from app.runs.hub import RunHub
from app.runs.limits import RunLimits
from app.runs.retry import RetryPolicy
from app.runs.runner import Runner
from app.schemas.error import ErrorAnswer
from app.settings import Settings, as_secret, parse_auth_tokens
from app.tokens import TokenBook
from app.vault import Vault
from app.voyage.client import VoyageClient

VOYAGE_PROVIDER: Final = "openai"
"""Whose key VOYAGE_AI_API_KEY is where VOYAGE_AI_PROVIDER is not set, as in Voyage."""
LOST: Final = "What had arrived of it is lost; send the message again."
"""Said of answers that the last process left behind: they were in its memory only."""
_LOG: Final[Any] = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is known before anything is opened; making it finds every mistake of the configuration."""

    settings: Settings
    static_tokens: StaticTokens
    trusted_origins: frozenset[str]
    vault: Vault | None
    registry: Registry
    instance_key: InstanceKey | None
    client: ModelClient | None


def create_app(settings: Settings, *, demo_base_url: str | None = None, client: ModelClient | None = None) -> FastAPI:
    """Build the application; nothing is opened before its lifespan begins.

    `demo_base_url` adds the demo provider; `client` calls the models instead of litellm, which then is not loaded.
    Raises `ConfigError`. The schema of the database must be there already.
    """
    registry = build_registry(settings.provider_tables, demo_base_url=demo_base_url)
    plan = _Plan(
        settings=settings,
        static_tokens=StaticTokens(parse_auth_tokens(settings.auth_tokens)),
        trusted_origins=parse_origins(settings.trusted_origins or ""),
        vault=vault_of(settings),
        registry=registry,
        instance_key=_instance_key(settings, registry),
        client=client,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with _open_services(plan) as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Voyage LLM gateway",
        summary="Conversations, sealed provider keys and streamed answers, from every provider in one way.",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        middleware=_middlewares(settings),
        responses={"default": {"model": ErrorAnswer, "description": "Every error has this form"}},
    )
    add_handlers(app)
    for part in (conversations, runs, providers, capabilities, suggestions, credentials, ai_settings, health):
        app.include_router(part.router)
    # The framework would otherwise build them inside the first request, 50 ms in which nobody else is served.
    deque(iter_route_contexts(app.routes), maxlen=0)
    return app


def _middlewares(settings: Settings) -> list[Middleware]:
    """Give the middlewares, the outermost first; all are plain ASGI, as nothing may buffer a stream."""
    return [
        Middleware(RequestId),
        Middleware(Failures),
        *([Middleware(LoopbackGuard)] if settings.dev else []),
        Middleware(Slashes),
        Middleware(BodyIntake, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds),
    ]


def vault_of(settings: Settings) -> Vault | None:
    """Give the vault of the operator's master keys, None where there are none; raises `ConfigError`."""
    if settings.credential_keys is None and settings.field_encryption_key is None:
        return None
    return Vault.from_config(as_secret(settings.credential_keys), as_secret(settings.field_encryption_key))


def _instance_key(settings: Settings, registry: Registry) -> InstanceKey | None:
    given = (settings.voyage_ai_provider, settings.voyage_ai_model, settings.voyage_ai_api_key)
    if not any(given):
        return None
    provider = normalise(settings.voyage_ai_provider or VOYAGE_PROVIDER)
    try:
        registry.resolve(provider, settings.voyage_ai_model)
    except GatewayError as error:
        message = f"VOYAGE_AI_PROVIDER and VOYAGE_AI_MODEL: {error.sentence}"
        raise ConfigError(message) from None
    return InstanceKey(
        provider=provider, api_key=as_secret(settings.voyage_ai_api_key), model=settings.voyage_ai_model or None
    )


@asynccontextmanager
async def _open_services(plan: _Plan) -> AsyncGenerator[Services]:
    """Open everything, give it, and close it in the reverse order; raises `ConfigError` or `StorageUnavailable`."""
    settings = plan.settings
    async with AsyncExitStack() as stack:
        database = Database.open(settings.database_url)
        stack.push_async_callback(database.close)
        stack.enter_context(only_process(settings.database_url))
        await _prepare(database, plan.vault)
        transport = await stack.enter_async_context(Transport())
        voyage = (
            await stack.enter_async_context(VoyageClient(settings.voyage_url, seconds=settings.voyage_seconds))
            if settings.voyage_url
            else None
        )
        models = ModelsCache(transport)
        stack.push_async_callback(models.close)
        lane = LitellmLane(transport, loader=litellm_warmup.load)
        stack.push_async_callback(lane.close)
        hub = RunHub(settings.max_runs, settings.max_runs_per_user, grace_s=settings.shutdown_grace_seconds)
        stack.push_async_callback(hub.drain)
        runner = _runner(plan, database, plan.client or lane, hub, voyage)
        if plan.client is None:
            # Last, so that the server listens before the import takes its share of the processor.
            await stack.enter_async_context(_loading(lane))
        yield Services(
            settings=settings,
            authenticator=_authenticator(plan, database, voyage, stack),
            database=database,
            vault=plan.vault,
            registry=plan.registry,
            transport=transport,
            models=models,
            voyage=voyage,
            lane=lane if plan.client is None else None,
            hub=hub,
            runner=runner,
        )


def _runner(plan: _Plan, database: Database, client: ModelClient, hub: RunHub, voyage: VoyageClient | None) -> Runner:
    settings = plan.settings
    return Runner(
        database,
        plan.vault,
        plan.registry,
        client,
        hub,
        limits=RunLimits(
            max_answer_chars=settings.max_answer_chars,
            context_s=settings.context_seconds,
            retry=RetryPolicy(max_attempts=settings.max_attempts),
        ),
        instance_key=plan.instance_key,
        voyage=voyage,
    )


def _authenticator(
    plan: _Plan, database: Database, voyage: VoyageClient | None, stack: AsyncExitStack
) -> Authenticator:
    """Give the ways to sign in that are on; what they own is closed with `stack`."""
    if plan.settings.dev:
        return DevAuthenticator()
    on = plan.settings.auth_methods
    sessions = None
    if "voyage_session" in on and voyage is not None:
        sessions = VoyageSessions(
            voyage, ttl_s=plan.settings.session_cache_seconds, trusted_origins=plan.trusted_origins
        )
        stack.push_async_callback(sessions.close)
    book = TokenBook(database)
    stack.push_async_callback(book.close)
    return Methods(
        voyage_session=sessions,
        service_tokens=ServiceTokens(book.find) if "service_tokens" in on else None,
        static_tokens=plan.static_tokens if "static_tokens" in on else None,
    )


async def _prepare(database: Database, vault: Vault | None) -> None:
    """Check the master keys against the database and end what the last process left running."""
    now = utc_now()
    async with database.write() as session:
        await verify_key_checks(session, vault.check_values() if vault is not None else {}, now)
        left = await interrupt_unfinished(session, error=ErrorBody(error=Interrupted(action=LOST)).as_dict(), now=now)
    if left:
        _LOG.warning("runs_interrupted_by_restart", count=left)


@asynccontextmanager
async def _loading(lane: LitellmLane) -> AsyncGenerator[None]:
    """Load litellm meanwhile: its import takes seconds, which no start should wait for."""
    loading = asyncio.create_task(lane.load(), name="load litellm")
    try:
        yield
    finally:
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loading
