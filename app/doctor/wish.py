"""From what a caller wants diagnosed to what a message of theirs would use: the key and the route."""

from dataclasses import dataclass, field

from app.db.credentials import find_credential
from app.db.models import Credential
from app.db.session import Database, Session
from app.doctor.case import Case, KeyFound
from app.errors import CredentialUnreadable, InvalidInput, MissingCredential
from app.providers.provider import Provider, Route
from app.providers.registry import Registry
from app.runs.choice import choose_in
from app.runs.clock import Clock
from app.runs.credentials import InstanceKey, open_api_key, provider_of, route_at
from app.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller wants diagnosed."""

    user_id: str
    provider: str
    model: str | None = None
    """None for the one that a message without a model would go to."""
    spend: bool = False
    tools: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What is known of users, keys and providers."""

    database: Database
    vault: Vault | None
    registry: Registry
    instance_key: InstanceKey | None = None
    clock: Clock = field(default_factory=Clock)


async def find_case(session: Session, archive: Archive, wish: Wish, provider: Provider) -> Case:
    """Give what a message of this user to this provider would use.

    Raises what `Registry.resolve` raises; what is wrong with the key is in the case.
    """
    instance = archive.instance_key
    stored = await find_credential(session, user_id=wish.user_id, provider=provider.id)
    route = await _find_route(session, archive, wish, provider)
    provider = provider_of(provider, stored)
    return Case(
        provider=provider,
        route=route_at(route, provider) if route is not None else None,
        key=_find_key(archive, stored, user_id=wish.user_id, provider=provider),
        spend=wish.spend,
        tools=wish.tools,
        operators=instance.model if instance is not None and instance.provider == provider.id else None,
        shows_address=provider.id not in archive.registry.configured_ids,
    )


async def _find_route(session: Session, archive: Archive, wish: Wish, provider: Provider) -> Route | None:
    """Give where a message would go; None where nobody names a model and the provider has no default."""
    registry, instance, user_id = archive.registry, archive.instance_key, wish.user_id
    try:
        return await choose_in(session, registry, instance, user_id=user_id, provider=provider.id, model=wish.model)
    except InvalidInput:
        if wish.model is not None or provider.default_model is not None:
            raise
        return None


def _find_key(archive: Archive, stored: Credential | None, *, user_id: str, provider: Provider) -> KeyFound:
    """Give the key that a message of this user to this provider would use, or why there is none."""
    instance = archive.instance_key
    try:
        secret = open_api_key(archive.vault, stored, user_id=user_id, provider=provider, instance_key=instance)
    except (MissingCredential, CredentialUnreadable) as error:
        return KeyFound(source="A key is stored for this user.", sealed=stored is not None, error=error)
    if stored is not None:
        return KeyFound(source="A key is stored for this user.", secret=secret, sealed=True)
    if secret is None:
        return KeyFound(source="None is stored, and none is needed.")
    return KeyFound(source="None is stored for this user; the operator's is used.", secret=secret, own=False)
