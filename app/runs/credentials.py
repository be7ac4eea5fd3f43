"""Which api key a run uses, opened for this one call."""

from dataclasses import dataclass

from app.db.models import Credential
from app.errors import CredentialUnreadable, MissingCredential, Origin
from app.providers.provider import Route
from app.providers.registry import normalise
from app.secret import Secret
from app.vault import Binding, Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceKey:
    """What the operator configured for everybody: one provider, and perhaps its key and model."""

    provider: str
    api_key: Secret | None = None
    model: str | None = None

    def serves(self, provider_id: str) -> bool:
        """Tell whether this is about the provider with that id."""
        return normalise(self.provider) == provider_id


def open_api_key(
    vault: Vault, stored: Credential | None, *, user_id: str, route: Route, instance_key: InstanceKey | None
) -> Secret | None:
    """Open the caller's own key, else take the operator's; None for a provider that needs no key.

    The operator's key serves its own provider only. A stored key that cannot be opened raises
    `CredentialUnreadable` and never falls back: the call would silently run on somebody else's account.
    Raises `MissingCredential` when there is none.
    """
    provider = route.provider
    origin = Origin(provider=provider.id, label=provider.label, model=route.model)
    if stored is not None:
        binding = Binding(row_id=stored.id, user_id=user_id, provider=provider.id, origin=route.origin)
        try:
            return vault.open(stored.sealed, binding)
        except CredentialUnreadable:
            raise CredentialUnreadable(origin=origin) from None
    if instance_key is not None and instance_key.serves(provider.id) and instance_key.api_key is not None:
        return instance_key.api_key
    if provider.needs_api_key:
        raise MissingCredential(origin=origin)
    return None
