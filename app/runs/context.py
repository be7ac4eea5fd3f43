"""What Voyage knows about the trip and the person, read while their message waits, and never at any price."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import structlog

from app.secret import Secret
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient
from app.voyage.preferences import Preferences, fetch_preferences
from app.voyage.trips import Trip, fetch_trip

_log = structlog.stdlib.get_logger(__name__)
_Part = TypeVar("_Part")


async def gather(
    voyage: VoyageClient | None, session: Secret | None, collection_id: UUID | None, *, seconds: float
) -> tuple[Trip | None, Preferences | None]:
    """Read both at once, as the person whose session this is, and give what has come within `seconds`.

    A part that fails or is late is one line in the log and None here, as is one that does not exist. Raises nothing
    of Voyage's; being cancelled ends both.
    """
    if voyage is None or session is None:
        return None, None
    deadline = asyncio.get_running_loop().time() + seconds

    async def trip() -> Trip | None:
        return await fetch_trip(voyage, session, collection_id) if collection_id else None

    async def preferences() -> Preferences | None:
        return await fetch_preferences(voyage, session)

    async with asyncio.TaskGroup() as group:
        tripping = group.create_task(_read("trip", trip, deadline))
        preferring = group.create_task(_read("preferences", preferences, deadline))
    return tripping.result(), preferring.result()


async def _read(part: str, fetch: Callable[[], Awaitable[_Part | None]], deadline: float) -> _Part | None:
    """Give what `fetch` gives by `deadline`, a time of the event loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            return await fetch()
    except TimeoutError:
        reason = "timeout"
    except VoyageAway as away:
        reason = away.reason
    _log.warning("context_unavailable", part=part, reason=reason)
    return None
