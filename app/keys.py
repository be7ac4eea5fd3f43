"""Master keys over the stored credentials: what is sealed with which, and moving everything to the current one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.db.credentials import count_by_kid, list_sealed_otherwise, reseal_credential
from app.db.models import Credential
from app.db.session import Database
from app.errors import CredentialUnreadable
from app.vault import Binding, Sealed, Vault

BATCH: Final = 100
"""Rows in one transaction: short enough that a user's own change never waits for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationReport:
    """What a rotation did, in rows."""

    resealed: int = 0
    overtaken: int = 0
    """Changed by their user, or by another rotation, in the meantime; they are on a current key already."""
    unreadable: int = 0
    """Left as they were: no key opens them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """Which master keys the stored credentials need."""

    current: str
    rows: dict[str, int]
    """Rows per kid, with 0 for a key that is configured and not needed."""
    unknown: tuple[str, ...]
    """Kids of rows that no configured key can open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Swap:
    row: Credential
    sealed: Sealed
    fingerprint: str


async def key_status(database: Database, vault: Vault) -> KeyStatus:
    """Count the rows per kid; raises `StorageUnavailable`."""
    async with database.read() as session:
        counted = await count_by_kid(session)
    return KeyStatus(
        current=vault.current_kid,
        rows=dict.fromkeys(vault.kids, 0) | counted,
        unknown=tuple(sorted(set(counted) - set(vault.kids))),
    )


async def rotate_credentials(database: Database, vault: Vault, batch: int = BATCH) -> RotationReport:
    """Seal every credential that is on another key with the current one, `batch` rows to a transaction.

    It may be stopped and started again at any point, and run twice at once; a user's own change always wins. Raises
    `StorageUnavailable`; what was resealed by then stays so.
    """
    resealed = overtaken = unreadable = 0
    after = None
    while True:
        async with database.read() as session:
            rows = await list_sealed_otherwise(session, kid=vault.current_kid, after=after, limit=batch)
        if not rows:
            return RotationReport(resealed=resealed, overtaken=overtaken, unreadable=unreadable)
        after = rows[-1].id
        swaps = [swap for row in rows if (swap := _swap(row, vault)) is not None]
        done = await _store(database, swaps)
        resealed += done
        overtaken += len(swaps) - done
        unreadable += len(rows) - len(swaps)


async def _store(database: Database, swaps: Sequence[_Swap]) -> int:
    done = 0
    async with database.write() as session:
        for swap in swaps:
            done += await reseal_credential(
                session,
                credential_id=swap.row.id,
                was=swap.row.sealed,
                sealed=swap.sealed,
                fingerprint=swap.fingerprint,
            )
    return done


def _swap(row: Credential, vault: Vault) -> _Swap | None:
    binding = Binding(row_id=row.id, user_id=row.user_id, provider=row.provider, origin=row.origin)
    try:
        secret = vault.open(row.sealed, binding)
    except CredentialUnreadable:
        return None
    return _Swap(row=row, sealed=vault.seal(secret, binding), fingerprint=vault.fingerprint(secret))
