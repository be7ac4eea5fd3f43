"""Providers and their models, as this caller may use them."""

from typing import Final

from fastapi import APIRouter

from app.db import credentials
from app.deps import CallerDep, Services, ServicesDep
from app.errors import (
    AuthenticationFailed,
    CredentialUnreadable,
    MissingCredential,
    ProviderNotAvailable,
    ProviderRetired,
    ProviderTimeout,
    ProviderUnreachable,
)
from app.providers.models_list import list_models
from app.providers.naming import own_id
from app.providers.provider import Provider
from app.runs.credentials import open_api_key
from app.schemas.error import answers
from app.schemas.provider import ModelsAnswer, ProviderAnswer

router: Final = APIRouter(prefix="/api/chat/providers", tags=["providers"])
LIST_SECONDS: Final = 10.0
"""A person waits for the list in front of an empty select box."""


@router.get("/", responses=answers())
async def list_providers(caller: CallerDep, services: ServicesDep) -> list[ProviderAnswer]:
    """List every provider that is not disabled; a bare array, as the Voyage UI expects it."""
    async with services.database.read() as session:
        stored = await credentials.list_credentials(session, user_id=caller.user_id)
    with_key = {credential.provider for credential in stored}
    return [_answer(provider, services, with_key) for provider in services.registry.all()]


@router.get(
    "/{provider_id}/models/",
    responses=answers(
        ProviderNotAvailable,
        ProviderRetired,
        MissingCredential,
        CredentialUnreadable,
        AuthenticationFailed,
        ProviderUnreachable,
        ProviderTimeout,
    ),
)
async def list_provider_models(caller: CallerDep, services: ServicesDep, provider_id: str) -> ModelsAnswer:
    """List what the provider offers right now to the key that a run would use."""
    provider = services.registry.get(provider_id)
    async with services.database.read() as session:
        stored = await credentials.find_credential(session, user_id=caller.user_id, provider=provider.id)
    api_key = open_api_key(
        services.vault, stored, user_id=caller.user_id, provider=provider, instance_key=services.runner.instance_key
    )
    models = await list_models(services.transport, provider, api_key, seconds=LIST_SECONDS, own_key=stored is not None)
    default = _default_model(provider)
    return ModelsAnswer(models=[*models] if default is None or default in models else [default, *models])


def _answer(provider: Provider, services: Services, with_key: set[str]) -> ProviderAnswer:
    by_operator = provider.id in services.registry.configured_ids
    return ProviderAnswer(
        id=provider.id,
        label=provider.label,
        available_for_chat=provider.retired is None,
        needs_api_key=provider.needs_api_key,
        default_model=_default_model(provider),
        api_base=None if by_operator else provider.api_base,
        instance_configured=_ready_for_all(provider, services, by_operator=by_operator),
        user_configured=provider.id in with_key,
    )


def _default_model(provider: Provider) -> str | None:
    return own_id(provider, provider.default_model) if provider.default_model else None


def _ready_for_all(provider: Provider, services: Services, *, by_operator: bool) -> bool:
    instance = services.runner.instance_key
    if instance is not None and instance.provider == provider.id:
        return instance.api_key is not None or not provider.needs_api_key
    return by_operator and not provider.needs_api_key
