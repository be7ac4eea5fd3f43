"""Which api key a run uses, opened for this one call."""

from contextlib import suppress
from dataclasses import dataclass, replace

from app.db import credentials
from app.db.models import Credential
from app.db.session import Database, Session
from app.errors import CredentialUnreadable, MissingCredential, Origin
from app.providers.own_address import at_address
from app.providers.provider import Provider, Route
from app.secret import Secret
from app.vault import Binding, Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceKey:
    """What the operator configured for everybody: one provider, and perhaps its key and model."""

    provider: str
    """Its id as the catalogue writes it."""
    api_key: Secret | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedKey:
    """What one call signs in with."""

    secret: Secret | None
    """None for a provider that needs no key."""
    own: bool
    """False where it is the operator's: what the provider says about their account is not for callers."""
    route: Route
    """Where it goes: the caller's own address, where the provider has none itself."""


async def find_api_key(
    database: Database, vault: Vault | None, instance_key: InstanceKey | None, *, user_id: str, route: Route
) -> OpenedKey:
    """Look up what the caller has stored for the provider of `route` and open what the call uses.

    Raises what `open_api_key` raises, and `StorageUnavailable`.
    """
    async with database.read() as session:
        return await find_api_key_in(session, vault, instance_key, user_id=user_id, route=route)


async def find_api_key_in(
    session: Session, vault: Vault | None, instance_key: InstanceKey | None, *, user_id: str, route: Route
) -> OpenedKey:
    """Do what `find_api_key` does in a session that is open already."""
    stored = await credentials.find_credential(session, user_id=user_id, provider=route.provider.id)
    provider = provider_of(route.provider, stored)
    secret = open_api_key(
        vault, stored, user_id=user_id, provider=provider, instance_key=instance_key, model=route.model
    )
    own = instance_key is None or secret is not instance_key.api_key
    return OpenedKey(secret=secret, own=own, route=route_at(route, provider))


def route_at(route: Route, provider: Provider) -> Route:
    """Give `route` for who uses `provider` as `provider_of` gives it."""
    return replace(route, provider=provider, base_url=provider.api_base) if provider.own_address else route


def provider_of(provider: Provider, stored: Credential | None) -> Provider:
    """Give `provider` as it is for who has stored this key: at their own address, where it has none itself."""
    return at_address(provider, stored.api_base if stored is not None else None)


def open_api_key(  # noqa: PLR0913 - whose key, for what, and the two places it may come from
    vault: Vault | None,
    stored: Credential | None,
    *,
    user_id: str,
    provider: Provider,
    instance_key: InstanceKey | None,
    model: str | None = None,
) -> Secret | None:
    """Open the caller's own key, else take the operator's; None for a provider that needs no key.

    `provider` is as `provider_of` gives it. The operator's key serves its own provider only, and none that is where
    its user says. A stored key that cannot be opened raises `CredentialUnreadable` and never falls back: the call would
    silently run on somebody else's account. Raises `MissingCredential` when there is none. `model` only stands in
    errors.
    """
    origin = Origin(provider=provider.id, label=provider.label, model=model)
    if provider.own_address and not provider.api_base:
        message = f"No address found for provider: {provider.label}."
        raise MissingCredential(message, origin=origin, action="Please add it, with a key, in Settings.")
    if stored is not None:
        return _opened(vault, stored, user_id, provider, origin)
    if instance_key is not None and instance_key.provider == provider.id and instance_key.api_key is not None:
        return instance_key.api_key
    if provider.needs_api_key:
        raise MissingCredential(origin=origin)
    return None


def _opened(vault: Vault | None, stored: Credential, user_id: str, provider: Provider, origin: Origin) -> Secret:
    binding = Binding(row_id=stored.id, user_id=user_id, provider=provider.id, origin=provider.origin)
    if vault is not None:
        with suppress(CredentialUnreadable):
            return vault.open(stored.sealed, binding)
    raise CredentialUnreadable(origin=origin)
