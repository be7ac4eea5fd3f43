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
from app.providers.registry import normalise
from app.schemas.credential import ChangedKey, CredentialAnswer, NewKey
from app.schemas.error import answers
from app.secret import Secret
from app.vault import Binding, Sealed, Vault, mask

router: Final = APIRouter(prefix="/api/integrations/api-keys", tags=["provider keys"])


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
    origin = _origin(provider, services)

    def seal(row_id: UUID) -> Sealed:
        return vault.seal(body.api_key, _binding(row_id, caller.user_id, provider, origin))

    async with services.database.write() as session:
        stored = await credentials.put_credential(
            session,
            user_id=caller.user_id,
            provider=provider,
            origin=origin,
            new_id=services.runner.new_id(),
            seal=seal,
            mask=mask(body.api_key),
            fingerprint=vault.fingerprint(body.api_key),
            now=services.runner.clock.now(),
        )
    return _answer(stored, services, vault)


@router.get("/{credential_id}/", responses=answers(KeyStorageNotConfigured, NotFound))
async def get_credential(
    vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, credential_id: CredentialId
) -> CredentialAnswer:
    """Give one key, masked."""
    async with services.database.read() as session:
        stored = await credentials.get_credential(session, user_id=caller.user_id, credential_id=credential_id)
    return _answer(stored, services, vault)


@router.put("/{credential_id}/", responses=answers(KeyStorageNotConfigured, NotFound, body=True))
async def replace_credential(
    vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, credential_id: CredentialId, body: NewKey
) -> CredentialAnswer:
    """Replace provider and key."""
    return await _change(vault, caller.user_id, services, credential_id, provider=body.provider, api_key=body.api_key)


@router.patch("/{credential_id}/", responses=answers(KeyStorageNotConfigured, NotFound, body=True))
async def change_credential(
    vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, credential_id: CredentialId, body: ChangedKey
) -> CredentialAnswer:
    """Replace the key, or both; a stored key never moves to another provider by itself."""
    return await _change(vault, caller.user_id, services, credential_id, provider=body.provider, api_key=body.api_key)


@router.delete("/{credential_id}/", status_code=204, responses=answers(KeyStorageNotConfigured, NotFound))
async def delete_credential(
    _vault: VaultDep, caller: SettingsCallerDep, services: ServicesDep, credential_id: CredentialId
) -> None:
    """Delete a key."""
    async with services.database.write() as session:
        await credentials.delete_credential(session, user_id=caller.user_id, credential_id=credential_id)


async def _change(  # noqa: PLR0913 - the row, its owner, what it becomes and what that takes
    vault: Vault,
    user_id: str,
    services: Services,
    credential_id: UUID,
    *,
    provider: str | None,
    api_key: Secret | None,
) -> CredentialAnswer:
    async with services.database.write() as session:
        stored = await credentials.get_credential(session, user_id=user_id, credential_id=credential_id)
        name = normalise(provider) if provider is not None else stored.provider
        if api_key is None and name != stored.provider:
            text = "A stored key belongs to its provider. Enter the other provider's key with it."
            raise InvalidInput(text, action="", fields={"api_key": [text]})
        if api_key is not None:
            origin = _origin(name, services)
            stored = await credentials.update_credential(
                session,
                user_id=user_id,
                credential_id=credential_id,
                provider=name,
                origin=origin,
                sealed=vault.seal(api_key, _binding(credential_id, user_id, name, origin)),
                mask=mask(api_key),
                fingerprint=vault.fingerprint(api_key),
                now=services.runner.clock.now(),
            )
    return _answer(stored, services, vault)


def _binding(row_id: UUID, user_id: str, provider: str, origin: str) -> Binding:
    return Binding(row_id=row_id, user_id=user_id, provider=provider, origin=origin)


def _origin(provider: str, services: Services) -> str:
    """Give where the key may be sent: nowhere, for a name that is no provider here."""
    row = services.registry.providers.get(provider)
    return row.origin if row is not None else ""


def _answer(credential: Credential, services: Services, vault: Vault) -> CredentialAnswer:
    readable = credential.kid in vault.kids and credential.origin == _origin(credential.provider, services)
    return CredentialAnswer(
        id=credential.id,
        provider=credential.provider,
        masked_api_key=credential.mask,
        created_at=credential.created_at,
        updated_at=credential.updated_at,
        status="ok" if readable else "unreadable",
    )
