"""The caller's provider keys: written, never read back. Listing works even when no key can be opened.

The vault stands first in every route: without a master key Voyage answers 503 before it asks who is calling, and the
settings page shows that as a banner.
"""

from typing import Final
from uuid import UUID

from fastapi import APIRouter

from app.db import credentials
from app.db.models import Credential
from app.deps import CredentialId, Services, ServicesDep, SettingsCallerDep, VaultDep
from app.errors import InvalidInput, KeyStorageNotConfigured, NotFound
from app.providers.address import AddressGuard
from app.providers.own_address import at_address, base_to_store
from app.providers.registry import normalise
from app.schemas.credential import ChangedKey, CredentialAnswer, CredentialCheck, NewKey
from app.schemas.error import answers
from app.vault import Binding, Sealed, Vault, mask

router: Final = APIRouter(prefix="/api/integrations/api-keys", tags=["provider keys"])
_OTHER_PROVIDER: Final = "A stored key belongs to its provider. Enter the other provider's key with it."
_OTHER_ADDRESS: Final = "A stored key belongs to its address. Enter the key with the new one."


@router.get("/", responses=answers(KeyStorageNotConfigured))
async def list_credentials(vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep) -> list[CredentialAnswer]:
    """List the caller's keys, masked, ordered by provider."""
    async with services.database.read() as session:
        stored = await credentials.list_credentials(session, user_id=caller.user_id)
    return [_answer(credential, services, vault) for credential in stored]


@router.post("/", status_code=201, responses=answers(KeyStorageNotConfigured, body=True))
async def put_credential(
    vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, body: NewKey
) -> CredentialAnswer:
    """Store the key for a provider; one that is there already is replaced and keeps its id."""
    provider = normalise(body.provider)
    api_base = _api_base(provider, services, body.api_base)
    origin = _origin(provider, services, api_base)

    def seal(row_id: UUID) -> Sealed:
        return vault.seal(body.api_key, _binding(row_id, caller.user_id, provider, origin))

    async with services.database.write() as session:
        stored = await credentials.put_credential(
            session,
            user_id=caller.user_id,
            provider=provider,
            origin=origin,
            api_base=api_base,
            new_id=services.runner.new_id(),
            seal=seal,
            mask=mask(body.api_key),
            fingerprint=vault.fingerprint(body.api_key),
            now=services.runner.clock.now(),
        )
    services.doctor.saved(caller.user_id, stored.id)
    return _answer(stored, services, vault)


@router.get("/{credential_id}/", responses=answers(KeyStorageNotConfigured, NotFound))
async def get_credential(
    vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, credential_id: CredentialId
) -> CredentialAnswer:
    """Give one key, masked."""
    async with services.database.read() as session:
        stored = await credentials.get_credential(session, user_id=caller.user_id, credential_id=credential_id)
    return _answer(stored, services, vault)


@router.put(
    "/{credential_id}/",
    responses=answers(KeyStorageNotConfigured, NotFound, body=True),
)
async def replace_credential(
    vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, credential_id: CredentialId, body: NewKey
) -> CredentialAnswer:
    """Replace provider and key."""
    return await _change(vault, caller.user_id, services, credential_id, body)


@router.patch(
    "/{credential_id}/",
    responses=answers(KeyStorageNotConfigured, NotFound, body=True),
)
async def change_credential(
    vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, credential_id: CredentialId, body: ChangedKey
) -> CredentialAnswer:
    """Replace the key, or both; a stored key never moves to another provider by itself."""
    return await _change(vault, caller.user_id, services, credential_id, body)


@router.delete("/{credential_id}/", status_code=204, responses=answers(KeyStorageNotConfigured, NotFound))
async def delete_credential(
    _vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, credential_id: CredentialId
) -> None:
    """Delete a key."""
    async with services.database.write() as session:
        await credentials.delete_credential(session, user_id=caller.user_id, credential_id=credential_id)


async def _change(
    vault: Vault, user_id: str, services: Services, credential_id: UUID, body: NewKey | ChangedKey
) -> CredentialAnswer:
    async with services.database.write() as session:
        stored = await credentials.get_credential(session, user_id=user_id, credential_id=credential_id)
        name = normalise(body.provider) if body.provider is not None else stored.provider
        api_base = stored.api_base
        if body.api_key is not None or body.api_base is not None:
            kept = stored.api_base if isinstance(body, ChangedKey) and name == stored.provider else None
            api_base = _api_base(name, services, body.api_base, kept=kept)
        if body.api_key is None and (name, api_base) != (stored.provider, stored.api_base):
            text = _OTHER_ADDRESS if name == stored.provider else _OTHER_PROVIDER
            raise InvalidInput(text, action="", fields={"api_key": [text]})
        if body.api_key is not None:
            origin = _origin(name, services, api_base)
            stored = await credentials.update_credential(
                session,
                user_id=user_id,
                credential_id=credential_id,
                provider=name,
                origin=origin,
                api_base=api_base,
                sealed=vault.seal(body.api_key, _binding(credential_id, user_id, name, origin)),
                mask=mask(body.api_key),
                fingerprint=vault.fingerprint(body.api_key),
                now=services.runner.clock.now(),
            )
    if body.api_key is not None:
        services.doctor.saved(user_id, credential_id)
    return _answer(stored, services, vault)


def _binding(row_id: UUID, user_id: str, provider: str, origin: str) -> Binding:
    return Binding(row_id=row_id, user_id=user_id, provider=provider, origin=origin)


def _api_base(provider: str, services: Services, given: str | None, *, kept: str | None = None) -> str | None:
    """Give the address to store beside the key; raises `InvalidInput` naming `api_base`."""
    guard = services.transport.guard or AddressGuard()
    return base_to_store(services.registry.providers.get(provider), given, guard, kept=kept)


def _origin(provider: str, services: Services, api_base: str | None) -> str:
    """Give where the key may be sent: nowhere, for a name that is no provider here."""
    row = services.registry.providers.get(provider)
    return at_address(row, api_base).origin if row is not None else ""


def _answer(credential: Credential, services: Services, vault: Vault) -> CredentialAnswer:
    row = services.registry.providers.get(credential.provider)
    own_address = row is not None and row.own_address
    origin = _origin(credential.provider, services, credential.api_base)
    readable = credential.kid in vault.kids and credential.origin == origin and bool(origin or not own_address)
    return CredentialAnswer(
        id=credential.id,
        provider=credential.provider,
        masked_api_key=credential.mask,
        api_base=credential.api_base if own_address else None,
        created_at=credential.created_at,
        updated_at=credential.updated_at,
        status="ok" if readable else "unreadable",
        check=_check(credential),
    )


def _check(credential: Credential) -> CredentialCheck | None:
    """Give what was found out about the key as it is now; a process of another version may have changed it since."""
    report, at = credential.report, credential.reported_at
    if report is None or at is None or at < credential.updated_at:
        return None
    return CredentialCheck.model_validate(report | {"checked_at": at})
