"""Queries about idempotency keys: a caller's name for one message, kept for a day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import IdempotencyKey
from app.db.upsert import upsert
from app.errors import IdempotencyMismatch

KEPT: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a caller calls a request, and everything that the request asks for."""

    key: str
    fingerprint: str


async def find_claimed(session: AsyncSession, claim: Claim, *, user_id: str, now: datetime) -> UUID | None:
    """Give the run that an equal request of the user has begun; raises `IdempotencyMismatch` for another request."""
    same = (IdempotencyKey.user_id == user_id, IdempotencyKey.key == claim.key, IdempotencyKey.created_at > now - KEPT)
    found = await session.scalar(select(IdempotencyKey).where(*same))
    if found is None:
        return None
    if found.fingerprint != claim.fingerprint:
        raise IdempotencyMismatch
    return found.run_id


async def put_claim(session: AsyncSession, claim: Claim, *, user_id: str, run_id: UUID, now: datetime) -> None:
    """Keep the key with the run that it begins, which is stored already.

    Raises `IdempotencyMismatch` when another request took it meanwhile: for another conversation, as the same one is
    locked.
    """
    mine = (IdempotencyKey.user_id == user_id, IdempotencyKey.key == claim.key)
    await session.execute(delete(IdempotencyKey).where(*mine, IdempotencyKey.created_at <= now - KEPT))
    values = {"key": claim.key, "fingerprint": claim.fingerprint, "run_id": run_id, "created_at": now}
    put = upsert(session, IdempotencyKey).values(user_id=user_id, **values).on_conflict_do_nothing()
    if await session.scalar(put.returning(IdempotencyKey.key)) is None:
        raise IdempotencyMismatch


async def trim_claims(session: AsyncSession, *, now: datetime) -> None:
    """Forget keys that are older than they are kept."""
    await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at <= now - KEPT))
