"""Queries about the living processes of one database."""

from collections.abc import Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Replica
from app.db.upsert import upsert


async def put_beat(session: AsyncSession, *, replica_id: str) -> None:
    """Say that a process lives; one that was taken for dead comes back."""
    beaten = update(Replica).where(Replica.id == replica_id).values(beat=Replica.beat + 1).returning(Replica.id)
    if await session.scalar(beaten, execution_options={"synchronize_session": False}) is None:
        await session.execute(upsert(session, Replica).values(id=replica_id, beat=1).on_conflict_do_nothing())


async def read_beats(session: AsyncSession) -> dict[str, int]:
    """Give every process that says it lives, with its beat."""
    return {row.id: row.beat for row in await session.execute(select(Replica.id, Replica.beat))}


async def remove_dead(session: AsyncSession, beats: Mapping[str, int]) -> None:
    """Forget processes that are dead; one that has given another sign of life than the one in `beats` is not."""
    for replica_id, beat in beats.items():
        await session.execute(delete(Replica).where(Replica.id == replica_id, Replica.beat == beat))


async def remove_others(session: AsyncSession, replica_id: str) -> None:
    """Forget every process but one, which is the only one that this database can have."""
    await session.execute(delete(Replica).where(Replica.id != replica_id))


async def remove_replica(session: AsyncSession, replica_id: str) -> None:
    """Forget a process that is about to end."""
    await session.execute(delete(Replica).where(Replica.id == replica_id))
