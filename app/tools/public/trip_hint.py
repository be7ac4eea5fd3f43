"""What the trip that a conversation is about tells a tool that was not told enough."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, final
from uuid import UUID

from app.tools.tool import ToolCaller
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient
from app.voyage.trips import fetch_trip


@dataclass(frozen=True, slots=True, kw_only=True)
class TripHint:
    """Where and when a trip is, as far as it says."""

    place: str | None = None
    first_day: date | None = None
    last_day: date | None = None


NO_HINT: Final = TripHint()
Hints = Callable[[ToolCaller], Awaitable[TripHint]]
"""Gives the hint of a caller's trip; `NO_HINT` where there is none, and never fails."""


async def no_hints(caller: ToolCaller) -> TripHint:
    """Know nothing of trips."""
    del caller
    return NO_HINT


@final
class VoyageHints:
    """Asks Voyage, as the caller; only a trip of theirs is looked at."""

    def __init__(self, client: VoyageClient) -> None:
        """Take the client, which stays its owner's."""
        self._client = client

    async def __call__(self, caller: ToolCaller) -> TripHint:
        """Give the first stop and the dates of the trip."""
        try:
            if caller.session is None or caller.collection_id is None:
                return NO_HINT
            trip = await fetch_trip(self._client, caller.session, UUID(caller.collection_id))
        except (VoyageAway, ValueError):
            return NO_HINT
        if trip is None:
            return NO_HINT
        place = trip.stops[0] if trip.stops else None
        return TripHint(place=place, first_day=day_of(trip.start_date), last_day=day_of(trip.end_date))


def day_of(text: object) -> date | None:
    """Read a day as the tools do: the first ten characters of a text, `2027-03-10`."""
    if not isinstance(text, str):
        return None
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None
