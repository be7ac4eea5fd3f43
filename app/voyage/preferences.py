"""What a person likes when they travel, as Voyage has worked it out."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from app.secret import Secret
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient
from app.voyage.reading import mapping, one_line, sequence

PATH: Final = "/api/integrations/recommendation-preferences/"
MAX_INTERESTS: Final = 8
MAX_INTEREST_CHARS: Final = 100
MAX_STYLE_CHARS: Final = 120
MAX_NOTES_CHARS: Final = 1000
_SIGNED_OUT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """One person's wishes, each text a single line; at least one of them is there."""

    interests: tuple[str, ...] = ()
    trip_style: str | None = None
    notes: str | None = None
    cuisines: str | None = None


async def fetch_preferences(client: VoyageClient, session: Secret) -> Preferences | None:
    """Give the wishes of the person whose session this is; None where there are none. Raises `VoyageAway`.

    Voyage shows nobody the wishes of others.
    """
    answer = await client.get(PATH, session)
    if answer.status in _SIGNED_OUT:
        return None
    rows = sequence(answer.data)
    if answer.status != HTTPStatus.OK or not isinstance(answer.data, list):
        raise VoyageAway(reason="unexpected_answer")
    return _read(rows[0]) if rows else None


def _read(row: object) -> Preferences | None:
    fields = mapping(row)
    interests = (one_line(interest, MAX_INTEREST_CHARS) for interest in sequence(fields.get("interests")))
    wishes = Preferences(
        interests=tuple(interest for interest in interests if interest)[:MAX_INTERESTS],
        trip_style=one_line(fields.get("trip_style"), MAX_STYLE_CHARS),
        notes=one_line(fields.get("notes"), MAX_NOTES_CHARS),
        cuisines=one_line(fields.get("cuisines"), MAX_NOTES_CHARS),
    )
    return wishes if wishes != Preferences() else None
