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
from app.providers.families import KnownWire
from app.providers.model_info import ModelInfo, ModelSource
from app.providers.models_cache import Listing
from app.providers.naming import own_id
from app.providers.provider import Provider
from app.runs.choice import saved_model
from app.runs.credentials import open_api_key, provider_of
from app.schemas.error import answers
from app.schemas.model_detail import ModelDetail, PriceAnswer
from app.schemas.provider import ModelsAnswer, ModelWire, ProviderAnswer, RestingWire

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
    refused by name when it is used. Where the provider cannot be reached, the last list that it gave to this key
    stands in, or the models that the gateway itself knows of; `source`, `age_seconds` and `warning` say so.
    """
    provider = services.registry.get(provider_id)
    async with services.database.read() as session:
        stored = await credentials.find_credential(session, user_id=caller.user_id, provider=provider.id)
        saved = await ai_settings.find_ai_settings(session, user_id=caller.user_id)
    provider = provider_of(provider, stored)
    api_key = open_api_key(
        services.vault, stored, user_id=caller.user_id, provider=provider, instance_key=services.runner.instance_key
    )
    listing = await services.models.look(provider, api_key, seconds=LIST_SECONDS, own_key=stored is not None)
    models = list(listing.models)
    default, preferred = _default_model(provider, services), saved_model(services.registry, saved, provider)
    if default is not None and default not in models:
        models.insert(0, default)
    if preferred is not None and preferred not in models:
        models.append(preferred)
    wires = await services.families.known(provider, models)
    return ModelsAnswer(
        models=models,
        wires={model: ModelWire(wire=known.wire.value, source=known.source.value) for model, known in wires.items()},
        details=[_detail(provider, services, listing, model, wires.get(model)) for model in models],
        age_seconds=None if listing.age_s is None else int(listing.age_s),
        stale=listing.stale,
        source=listing.source.value,
        warning=_warning(provider, services, listing, default),
    )


def _detail(
    provider: Provider, services: Services, listing: Listing, model: str, known: KnownWire | None
) -> ModelDetail:
    info = listing.models.get(model) or services.models.snapshot.find(provider.id, model) or ModelInfo(id=model)
    return ModelDetail(
        id=model,
        label=info.label or model,
        context_tokens=provider.context_tokens or info.context_tokens,
        max_output_tokens=info.max_output_tokens,
        tools=info.takes_tools,
        price=None if info.price is None else PriceAnswer.model_validate(info.price),
        status=None if info.status is None else info.status.value,
        family=(known.wire if known else services.registry.wire_of(provider, model)).value,
        source=info.source.value,
    )


def _warning(provider: Provider, services: Services, listing: Listing, default: str | None) -> str | None:
    """Give what a person should know of the list."""
    if listing.source is ModelSource.SNAPSHOT and listing.failure is not None:
        checked = services.models.snapshot.checked_on
        return f"{listing.failure.message} These are the models that were known on {checked:%d %B %Y}."
    if listing.failure is not None:
        return f"{listing.failure.message} This is the last list that could be had."
    if listing.source is ModelSource.LIVE and listing.models and default is not None and default not in listing.models:
        return f"The default model {default} is not in the list of {provider.label}."
    return None


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
        resting=_resting(provider, services),
    )


def _resting(provider: Provider, services: Services) -> list[RestingWire]:
    """Tell what of it is left alone; of users' own addresses nothing, as each is somebody's business alone."""
    if provider.own_address:
        return []
    return [
        RestingWire(wire=rest.target.wire.value, failures=rest.failures, retry_after_s=round(rest.retry_after_s, 1))
        for rest in services.circuits.resting()
        if rest.target.provider == provider.id
    ]


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
