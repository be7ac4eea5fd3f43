"""Queries about the wires that models have answered on where the table says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from app.db.models import LearnedWire
from app.db.session import Session
from app.db.upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose models: what is learned at one address says nothing about another."""

    provider: str
    origin: str


async def list_learned(session: Session, place: Place, *, limit: int) -> Sequence[tuple[str, str]]:
    """Give model and wire of at most `limit` models, the newest first."""
    found = await session.execute(
        select(LearnedWire.model, LearnedWire.wire)
        .where(LearnedWire.provider == place.provider, LearnedWire.origin == place.origin)
        .order_by(LearnedWire.learned_at.desc(), LearnedWire.model)
        .limit(limit)
    )
    return [(model, wire) for model, wire in found]


async def learn_wire(session: Session, place: Place, *, model: str, wire: str, now: datetime) -> None:
    """Keep the wire of `model`, in place of another one; in a writing session."""
    row = {"provider": place.provider, "origin": place.origin, "model": model, "wire": wire, "learned_at": now}
    await session.execute(
        upsert(session, LearnedWire)
        .values(row)
        .on_conflict_do_update(index_elements=["provider", "origin", "model"], set_={"wire": wire, "learned_at": now})
    )


async def unlearn_wire(session: Session, place: Place, *, model: str, wire: str) -> None:
    """Forget `wire`, unless another one was learned meanwhile; in a writing session."""
    await session.execute(
        delete(LearnedWire).where(
            LearnedWire.provider == place.provider,
            LearnedWire.origin == place.origin,
            LearnedWire.model == model,
            LearnedWire.wire == wire,
        )
    )
