"""Queries about credentials: sealed texts only, nothing here can open one."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.direct import direct
from app.db.models import Credential
from app.db.upsert import upsert
from app.errors import InvalidInput, NotFound


class SealedText(Protocol):
    """A sealed key as the vault gives it."""

    @property
    def kid(self) -> str:
        """The master key it is sealed with."""
        ...

    @property
    def text(self) -> str:
        """What is stored."""
        ...


async def list_credentials(session: AsyncSession, *, user_id: str) -> Sequence[Credential]:
    """Give the user's credentials, ordered by provider."""
    mine = select(Credential).where(Credential.user_id == user_id)
    return (await session.scalars(mine.order_by(Credential.provider))).all()


_MINE: Final = direct(
    select(Credential).where(Credential.user_id == bindparam("p_user"), Credential.provider == bindparam("p_provider"))
)


async def find_credential(session: AsyncSession, *, user_id: str, provider: str) -> Credential | None:
    """Give the user's credential for a provider, if there is one."""
    return await session.scalar(_MINE, {"p_user": user_id, "p_provider": provider})


async def get_credential(session: AsyncSession, *, user_id: str, credential_id: UUID) -> Credential:
    """Give one credential of the user; raises `NotFound`."""
    mine = select(Credential).where(Credential.id == credential_id, Credential.user_id == user_id)
    credential = await session.scalar(mine)
    if credential is None:
        raise NotFound
    return credential


async def put_credential(  # noqa: PLR0913 - one keyword per column that only the caller knows
    session: AsyncSession,
    *,
    user_id: str,
    provider: str,
    origin: str,
    api_base: str | None = None,
    new_id: UUID,
    seal: Callable[[UUID], SealedText],
    mask: str,
    fingerprint: str,
    now: datetime,
) -> Credential:
    """Store the user's key for a provider; a row that exists keeps its id and its `created_at`.

    `seal` is called once with the id the row really has: a sealed key is bound to it, and when two requests store
    the first key at once, only one of their ids lives on.
    """
    # Only the id matters here: the update below fills the row, the new one as well as the old.
    empty = dict.fromkeys(("origin", "sealed", "kid", "mask", "fingerprint"), "")
    claimed = upsert(session, Credential).values(
        id=new_id, user_id=user_id, provider=provider, created_at=now, updated_at=now, **empty
    )
    same = [Credential.user_id, Credential.provider]
    claimed = claimed.on_conflict_do_update(index_elements=same, set_={"updated_at": now}).returning(Credential.id)
    row_id = (await session.scalars(claimed)).one()
    return await update_credential(
        session,
        user_id=user_id,
        credential_id=row_id,
        provider=provider,
        origin=origin,
        api_base=api_base,
        sealed=seal(row_id),
        mask=mask,
        fingerprint=fingerprint,
        now=now,
    )


async def update_credential(  # noqa: PLR0913 - one keyword per column that only the caller knows
    session: AsyncSession,
    *,
    user_id: str,
    credential_id: UUID,
    provider: str,
    origin: str,
    api_base: str | None = None,
    sealed: SealedText,
    mask: str,
    fingerprint: str,
    now: datetime,
) -> Credential:
    """Overwrite one credential of the user, its provider included.

    Raises `NotFound`, and `InvalidInput` on `provider` when the user has another credential for that one.
    """
    changed = (
        update(Credential)
        .where(Credential.id == credential_id, Credential.user_id == user_id)
        .values(
            provider=provider,
            origin=origin,
            api_base=api_base,
            sealed=sealed.text,
            kid=sealed.kid,
            mask=mask,
            fingerprint=fingerprint,
            updated_at=now,
            report=None,
            reported_at=None,
        )
        .returning(Credential)
    )
    try:
        credential = await session.scalar(changed, execution_options={"populate_existing": True})
    except IntegrityError:
        taken = "You already have a key for this provider."
        raise InvalidInput(taken, action="Change or delete that one.", fields={"provider": [taken]}) from None
    if credential is None:
        raise NotFound
    return credential


async def delete_credential(session: AsyncSession, *, user_id: str, credential_id: UUID) -> None:
    """Remove one credential of the user; raises `NotFound`."""
    mine = delete(Credential).where(Credential.id == credential_id, Credential.user_id == user_id)
    if await session.scalar(mine.returning(Credential.id)) is None:
        raise NotFound


async def count_by_kid(session: AsyncSession) -> dict[str, int]:
    """Give how many credentials of all users each master key has sealed."""
    counted = await session.execute(select(Credential.kid, func.count().label("rows")).group_by(Credential.kid))
    return {row.kid: row.rows for row in counted}


async def list_sealed_otherwise(
    session: AsyncSession, *, kid: str, after: UUID | None, limit: int
) -> Sequence[Credential]:
    """Give up to `limit` credentials of all users that `kid` has not sealed, by id, beginning after one."""
    stale = select(Credential).where(Credential.kid != kid)
    if after is not None:
        stale = stale.where(Credential.id > after)
    return (await session.scalars(stale.order_by(Credential.id).limit(limit))).all()


async def reseal_credential(
    session: AsyncSession, *, credential_id: UUID, was: str, sealed: SealedText, fingerprint: str
) -> bool:
    """Replace the sealed text if it is still `was`; gives False when the user was quicker. Not a user's change."""
    swapped = (
        update(Credential)
        .where(Credential.id == credential_id, Credential.sealed == was)
        .values(sealed=sealed.text, kid=sealed.kid, fingerprint=fingerprint)
        .returning(Credential.id)
        .execution_options(synchronize_session=False)
    )
    return await session.scalar(swapped) is not None
