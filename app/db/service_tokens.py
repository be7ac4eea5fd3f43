"""Queries about service tokens. They are the operator's and nobody else's, so no query is limited to a user."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ServiceToken
from app.errors import NotFound


async def insert_service_token(  # noqa: PLR0913 - one keyword per column that only the caller knows
    session: AsyncSession,
    *,
    token_id: str,
    name: str,
    user_id: str,
    digest: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
) -> ServiceToken:
    """Store a new token, without the token itself."""
    token = ServiceToken(
        id=token_id,
        name=name,
        user_id=user_id,
        digest=digest,
        scopes=list(scopes),
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    session.add(token)
    await session.flush()
    return token


async def find_service_token(session: AsyncSession, *, token_id: str) -> ServiceToken | None:
    """Give one token, if there is one with this id, revoked and expired ones too."""
    return await session.scalar(select(ServiceToken).where(ServiceToken.id == token_id))


async def list_service_tokens(session: AsyncSession) -> Sequence[ServiceToken]:
    """Give all tokens, the oldest first."""
    return (await session.scalars(select(ServiceToken).order_by(ServiceToken.created_at, ServiceToken.id))).all()


async def revoke_service_token(session: AsyncSession, *, token_id: str, now: datetime) -> ServiceToken:
    """Revoke one token and give it; a second time changes nothing. Raises `NotFound`."""
    valid = update(ServiceToken).where(ServiceToken.id == token_id, ServiceToken.revoked_at.is_(None))
    await session.execute(valid.values(revoked_at=now), execution_options={"synchronize_session": False})
    token = await session.scalar(
        select(ServiceToken).where(ServiceToken.id == token_id), execution_options={"populate_existing": True}
    )
    if token is None:
        message = "There is no service token with this id."
        raise NotFound(message, action="`llm-gateway tokens list` shows them all.")
    return token


async def touch_service_token(
    session: AsyncSession, *, token_id: str, used_at: datetime, stale_before: datetime
) -> bool:
    """Note when the token was used; gives False, and writes nothing, where a note is not older than `stale_before`."""
    seen = ServiceToken.last_used_at
    stale = update(ServiceToken).where(ServiceToken.id == token_id, or_(seen.is_(None), seen < stale_before))
    noted = stale.values(last_used_at=used_at).returning(ServiceToken.id)
    return await session.scalar(noted, execution_options={"synchronize_session": False}) is not None
