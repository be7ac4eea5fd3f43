"""The application: its services, opened and closed with the server, its middlewares and its routes."""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware

from app.auth.csrf import parse_origins
from app.auth.loopback import LoopbackGuard
from app.auth.static_tokens import StaticTokens
from app.errors import ConfigError, GatewayError
from app.intake.body import BodyIntake
from app.intake.failures import Failures
from app.intake.handlers import add_handlers
from app.intake.request_id import RequestId
from app.intake.slashes import Slashes
from app.lifespan import Blueprint, open_services
from app.providers.model import ModelClient
from app.providers.registry import Registry, build_registry, normalise
from app.routers import (
    ai_settings,
    capabilities,
    conversations,
    credentials,
    diagnoses,
    health,
    providers,
    runs,
    streams,
    suggestions,
    tool_results,
)
from app.runs.credentials import InstanceKey
from app.schemas.error import ErrorAnswer
from app.settings import Settings, as_secret, parse_auth_tokens
from app.tools.tool import ToolSource
from app.vault import Vault
from app.wakeups import valkey_url_complaint

VOYAGE_PROVIDER: Final = "openai"
"""Whose key VOYAGE_AI_API_KEY is where VOYAGE_AI_PROVIDER is not set, as in Voyage."""
_PARTS: Final = (
    runs,  # the first one is found first, and a message is waited for
    conversations,
    streams,
    providers,
    diagnoses,
    capabilities,
    suggestions,
    tool_results,
    credentials,
    ai_settings,
    health,
)


def create_app(
    settings: Settings,
    *,
    demo_base_url: str | None = None,
    client: ModelClient | None = None,
    tools: Sequence[ToolSource] = (),
) -> FastAPI:
    """Build the application; nothing is opened before its lifespan begins.

    `demo_base_url` adds the demo provider; `client` calls the models instead of our own lanes, and
    `tools` are offered besides what the settings say.
    Raises `ConfigError`. The schema of the database must be there already.
    """
    registry = build_registry(settings.provider_tables, demo_base_url=demo_base_url, lane=settings.lane)
    valkey = as_secret(settings.valkey_url)
    wrong = valkey_url_complaint(valkey.reveal()) if valkey is not None else ""
    if wrong:
        message = f"GATEWAY_VALKEY_URL: {wrong}"
        raise ConfigError(message)
    blueprint = Blueprint(
        settings=settings,
        static_tokens=StaticTokens(parse_auth_tokens(settings.auth_tokens)),
        trusted_origins=parse_origins(settings.trusted_origins or ""),
        vault=vault_of(settings),
        registry=registry,
        instance_key=instance_key_of(settings, registry),
        client=client,
        tools=tuple(tools),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_services(blueprint) as services:
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
    for part in _PARTS:
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


def instance_key_of(settings: Settings, registry: Registry) -> InstanceKey | None:
    """Give what the operator configured for everybody, None where that is nothing; raises `ConfigError`."""
    given = (settings.voyage_ai_provider, settings.voyage_ai_model, settings.voyage_ai_api_key)
    if not any(given):
        return None
    provider = normalise(settings.voyage_ai_provider or VOYAGE_PROVIDER)
    try:
        registry.resolve(provider, settings.voyage_ai_model)
    except GatewayError as error:
        message = f"VOYAGE_AI_PROVIDER and VOYAGE_AI_MODEL: {error.sentence}"
        raise ConfigError(message) from None
    if registry.get(provider).own_address:
        # The operator's key would go wherever a user says.
        message = f"VOYAGE_AI_PROVIDER: {provider} is at each user's own address; give it an api_base first."
        raise ConfigError(message)
    return InstanceKey(
        provider=provider, api_key=as_secret(settings.voyage_ai_api_key), model=settings.voyage_ai_model or None
    )
