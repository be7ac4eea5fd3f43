"""A trip as the caller may see it: a collection of Voyage, its stops and its members."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from app.secret import Secret
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient
from app.voyage.reading import mapping, one_line, sequence

MAX_NAME_CHARS: Final = 200
MAX_ADDRESS_CHARS: Final = 400
"""A whole address is read, as its most general part stands last."""
MAX_DATE_CHARS: Final = 40
MAX_LOCATIONS: Final = 2000
"""How many are looked at for stops."""
MAX_STOPS: Final = 8
MAX_STOP_CHARS: Final = 2 * MAX_NAME_CHARS + 2
"""City and country."""
MAX_MEMBERS: Final = 20
_NOT_THEIRS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody the trip belongs to, or is shared with."""

    username: str
    is_caller: bool
    is_owner: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """What of a trip matters to a conversation; each text is a single line."""

    id: UUID
    name: str | None = None
    start_date: str | None = None
    """As Voyage writes it, `2027-03-10`."""
    end_date: str | None = None
    stops: tuple[str, ...] = ()
    """Up to `MAX_STOPS` different ones, in Voyage's order: `Lisbon, Portugal`."""
    members: tuple[Member, ...] = ()
    """Up to `MAX_MEMBERS`, the owner first."""
    shared: bool = False


async def fetch_trip(client: VoyageClient, session: Secret, collection_id: UUID) -> Trip | None:
    """Give the trip, or None where it is not one of the person whose session this is; raises `VoyageAway`.

    Voyage shows a public trip to everybody. It is theirs only if they own it or it is shared with them.
    """
    answer = await client.get(f"/api/collections/{collection_id}/", session)
    if answer.status in _NOT_THEIRS:
        return None
    fields = mapping(answer.data)
    if answer.status != HTTPStatus.OK or not isinstance(answer.data, dict):
        raise VoyageAway(reason="unexpected_answer")
    people = [mapping(person) for person in sequence(fields.get("collaborators"))]
    if not any(person.get("is_current_user") is True for person in people):
        return None
    return Trip(
        id=collection_id,
        name=one_line(fields.get("name"), MAX_NAME_CHARS),
        start_date=one_line(fields.get("start_date"), MAX_DATE_CHARS),
        end_date=one_line(fields.get("end_date"), MAX_DATE_CHARS),
        stops=_stops(fields.get("locations")),
        members=_members(people),
        shared=len(people) > 1 or bool(sequence(fields.get("shared_with"))),
    )


def _members(people: Iterable[Mapping[str, Any]]) -> tuple[Member, ...]:
    members = dict.fromkeys(
        Member(
            username=username,
            is_caller=person.get("is_current_user") is True,
            is_owner=person.get("is_owner") is True,
        )
        for person in people
        if (username := one_line(person.get("username"), MAX_NAME_CHARS))
    )
    # In a crowd the caller must not be among those left out.
    kept = set(sorted(members, key=lambda member: not member.is_caller)[:MAX_MEMBERS])
    return tuple(member for member in members if member in kept)


def _stops(locations: object) -> tuple[str, ...]:
    """Give the first different places; two sights in one city are one stop."""
    stops: dict[str, str] = {}
    for location in sequence(locations)[:MAX_LOCATIONS]:
        label = _label(mapping(location))
        if label:
            stops.setdefault(label.lower(), label)
        if len(stops) == MAX_STOPS:
            break
    return tuple(stops.values())


def _label(location: Mapping[str, Any]) -> str | None:
    """Give `City, Country`, or what of it is known, else the most general part of the address, else the name."""
    city, country = (one_line(mapping(location.get(key)).get("name"), MAX_NAME_CHARS) for key in ("city", "country"))
    if city or country:
        return ", ".join(part for part in (city, country) if part)
    return _last_part(location.get("location")) or _last_part(location.get("name"))


def _last_part(address: object) -> str | None:
    """Give a text without commas as it is, else its last part that is neither blank nor a postcode in digits."""
    parts = [part.strip() for part in (one_line(address, MAX_ADDRESS_CHARS) or "").split(",")]
    named = [part for part in parts if part and not (part.isdigit() and len(parts) > 1)]
    return named[-1][:MAX_NAME_CHARS] if named else None
