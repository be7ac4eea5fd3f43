"""Queries about master keys: two processes must not mean different keys by one name."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import KeyCheck
from app.db.upsert import upsert
from app.errors import ConfigError


async def verify_key_checks(session: AsyncSession, values: Mapping[str, str], now: datetime) -> None:
    """Store the check value of each kid that is new; raises `ConfigError` for one that is known with another value.

    Called in a writing session before the first key is sealed.
    """
    if not values:
        return
    rows = [{"kid": kid, "value": value, "created_at": now} for kid, value in sorted(values.items())]
    await session.execute(upsert(session, KeyCheck).values(rows).on_conflict_do_nothing())
    stored = await session.execute(select(KeyCheck.kid, KeyCheck.value).where(KeyCheck.kid.in_(values)))
    for kid, value in stored:
        if values[kid] != value:
            message = (
                f"GATEWAY_CREDENTIAL_KEYS: the key '{kid}' is not the one this database knows by that name; "
                "give the right key, or give the new one a new name."
            )
            raise ConfigError(message)
