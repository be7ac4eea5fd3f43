"""Who answers: what the request names, what the caller has saved, and what the operator configured."""

from contextlib import suppress

from app.db.ai_settings import find_ai_settings
from app.db.models import AiSettings
from app.db.session import Database, Session
from app.errors import GatewayError, ProviderNotAvailable
from app.providers.provider import Provider, Route
from app.providers.registry import Registry, normalise
from app.runs.credentials import InstanceKey


async def choose(  # noqa: PLR0913 - the three who may say it, and what two of them said
    database: Database,
    registry: Registry,
    instance_key: InstanceKey | None,
    *,
    user_id: str,
    provider: str | None,
    model: str | None,
) -> Route:
    """Give the route of a message that may leave provider and model open; a blank one counts as absent.

    The provider is the request's, else the saved one if it can be used here, else the operator's, else the first of
    the registry. Voyage itself falls back to OpenAI even where VOYAGE_AI_PROVIDER names another one. The model is the
    request's, else the saved one if the provider is the saved one, else the operator's if the provider is the
    operator's, else the provider's default.

    Raises what `Registry.resolve` raises, for a saved model as for the request's, and `ProviderNotAvailable` where
    no provider can be used.
    """
    async with database.read() as session:
        return await choose_in(session, registry, instance_key, user_id=user_id, provider=provider, model=model)


async def choose_in(  # noqa: PLR0913 - see `choose`
    session: Session,
    registry: Registry,
    instance_key: InstanceKey | None,
    *,
    user_id: str,
    provider: str | None,
    model: str | None,
) -> Route:
    """Do what `choose` does in a session that is open already; asks it only when something is left open."""
    named, model = _present(provider), _present(model)
    if named is not None and model is not None:
        return registry.resolve(named, model)
    saved = await find_ai_settings(session, user_id=user_id)
    preferred = _usable(registry, saved.preferred_provider) if saved is not None else None
    operators = instance_key.provider if instance_key is not None else None
    chosen = normalise(named or preferred or operators or _first(registry))
    if model is None and saved is not None and chosen == preferred:
        model = _present(saved.preferred_model)
    if model is None and instance_key is not None and chosen == operators:
        model = instance_key.model
    return registry.resolve(chosen, model)


def saved_model(registry: Registry, saved: AiSettings | None, provider: Provider) -> str | None:
    """Give the model that is saved for `provider`, written as its list writes it.

    None where nothing is saved for it, or something that cannot be one of its ids.
    """
    if saved is None or normalise(saved.preferred_provider or "") != provider.id:
        return None
    model = _present(saved.preferred_model)
    if model is None:
        return None
    with suppress(GatewayError):
        return registry.resolve(provider.id, model).model
    return None


def saved_pair(registry: Registry, saved: AiSettings) -> tuple[str | None, str | None]:
    """Give the saved provider and model as lists write them, each as it was saved where no list could have it."""
    provider = registry.providers.get(normalise(saved.preferred_provider or ""))
    if provider is None:
        return saved.preferred_provider, saved.preferred_model
    return provider.id, saved_model(registry, saved, provider) or saved.preferred_model


def _present(text: str | None) -> str | None:
    return (text or "").strip() or None


def _usable(registry: Registry, provider: str | None) -> str | None:
    with suppress(GatewayError):
        return registry.get(provider or "").id
    return None


def _first(registry: Registry) -> str:
    usable = (provider.id for provider in registry.all() if provider.retired is None)
    first = next(usable, None)
    if first is None:
        raise ProviderNotAvailable
    return first
