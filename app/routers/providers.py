"""Providers and their models, as this caller may use them."""

from typing import Final

from fastapi import APIRouter

from app.db import ai_settings, credentials
from app.deps import ChatCallerDep, Services, ServicesDep
from app.errors import (
    AuthenticationFailed,
    CredentialUnreadable,
    MissingCredential,
    ProviderNotAvailable,
    ProviderRetired,
    ProviderTimeout,
    ProviderUnreachable,
    ServerShutdown,
)
from app.providers.naming import own_id
from app.providers.provider import Provider
from app.runs.choice import saved_model
from app.runs.credentials import open_api_key, provider_of
from app.schemas.error import answers
from app.schemas.provider import ModelsAnswer, ModelWire, ProviderAnswer

router: Final = APIRouter(prefix="/api/chat/providers", tags=["providers"])
LIST_SECONDS: Final = 10.0
"""A person waits for the list in front of an empty select box."""


@router.get("/", responses=answers())
async def list_providers(caller: ChatCallerDep, services: ServicesDep) -> list[ProviderAnswer]:
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
        ServerShutdown,
    ),
)
async def list_provider_models(caller: ChatCallerDep, services: ServicesDep, provider_id: str) -> ModelsAnswer:
    """List what the provider offers to the key that a run would use, and what the caller has saved for it.

    The UI replaces a saved model that is not in the list, without a word; one that the provider has dropped is better
    refused by name when it is used.
    """
    provider = services.registry.get(provider_id)
    async with services.database.read() as session:
        stored = await credentials.find_credential(session, user_id=caller.user_id, provider=provider.id)
        saved = await ai_settings.find_ai_settings(session, user_id=caller.user_id)
    provider = provider_of(provider, stored)
    api_key = open_api_key(
        services.vault, stored, user_id=caller.user_id, provider=provider, instance_key=services.runner.instance_key
    )
    models = await services.models.list_models(provider, api_key, seconds=LIST_SECONDS, own_key=stored is not None)
    default, preferred = _default_model(provider, services), saved_model(services.registry, saved, provider)
    if default is not None and default not in models:
        models = (default, *models)
    if preferred is not None and preferred not in models:
        models = (*models, preferred)
    wires = await services.families.known(provider, models)
    shown = {model: ModelWire(wire=known.wire.value, source=known.source.value) for model, known in wires.items()}
    return ModelsAnswer(models=list(models), wires=shown)


def _answer(provider: Provider, services: Services, with_key: set[str]) -> ProviderAnswer:
    by_operator = provider.id in services.registry.configured_ids
    return ProviderAnswer(
        id=provider.id,
        label=provider.label,
        available_for_chat=provider.retired is None,
        needs_api_key=provider.needs_api_key,
        default_model=_default_model(provider, services),
        api_base=None if by_operator or provider.own_address else provider.api_base,
        instance_configured=_ready_for_all(provider, services, by_operator=by_operator),
        user_configured=provider.id in with_key,
    )


def _default_model(provider: Provider, services: Services) -> str | None:
    """Give what a message that names no model is answered by; the UI sends it as the model, so it decides."""
    instance = services.runner.instance_key
    operators = instance.model if instance is not None and instance.provider == provider.id else None
    model = operators or provider.default_model
    return own_id(provider, model) if model else None


def _ready_for_all(provider: Provider, services: Services, *, by_operator: bool) -> bool:
    instance = services.runner.instance_key
    if instance is not None and instance.provider == provider.id:
        return instance.api_key is not None or not provider.needs_api_key
    return by_operator and not provider.needs_api_key and not provider.own_address
