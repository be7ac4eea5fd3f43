"""A trip as Voyage keeps it, and as its API shows it to one caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

CREATED = "2026-11-22T08:52:25.636063Z"
HEAVY = ("transportations", "lodging", "notes", "checklists")
"""Left out of the nested form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    user_id: int
    username: str

    @property
    def uuid(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"voyage:{self.user_id}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrip:
    id: str
    owner: int
    shared_with: Sequence[int]
    public: bool
    fields: Mapping[str, Any]

    @property
    def members(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys((self.owner, *self.shared_with)))

    def visible_to(self, caller: Person | None) -> bool:
        return self.public or (caller is not None and caller.user_id in self.members)

    def shown_to(self, caller: Person | None, people: Mapping[int, Person], *, nested: bool) -> dict[str, Any]:
        collaborators = [
            {
                "uuid": people[member].uuid,
                "username": people[member].username,
                "first_name": people[member].username.title(),
                "last_name": "Probe",
                "profile_pic": None,
                "public_profile": False,
                "is_owner": member == self.owner,
                "is_current_user": caller is not None and member == caller.user_id,
            }
            for member in self.members
        ]
        shown = {
            "id": self.id,
            "description": "",
            "user": people[self.owner].uuid,
            "is_public": self.public,
            "is_archived": False,
            "start_date": None,
            "end_date": None,
            "shared_with": [people[member].uuid for member in self.members if member != self.owner],
            "created_at": CREATED,
            "updated_at": CREATED,
            "collaborators": collaborators,
            "transportations": [],
            "lodging": [],
            "notes": [],
            "checklists": [],
            "itinerary": [],
            "itinerary_days": [],
            "status": "folder",
            "days_until_start": None,
            "link": None,
            **self.fields,
        }
        return {name: value for name, value in shown.items() if not (nested and name in HEAVY)}


def location(fields: Mapping[str, Any], *, owner: Person) -> dict[str, Any]:
    """Give a whole location object; `fields` say only what matters to the test."""
    return {
        "id": str(uuid4()),
        "name": "A place",
        "description": None,
        "rating": None,
        "tags": [],
        "location": None,
        "latitude": None,
        "longitude": None,
        "is_public": False,
        "visits": [],
        "collections": [],
        "country": None,
        "region": None,
        "city": None,
        "category": {"name": "general", "display_name": "General", "icon": "🌍"},
        "link": None,
        "price": None,
        "user": {"uuid": owner.uuid, "username": owner.username},
        "created_at": CREATED,
        "updated_at": CREATED,
        **fields,
    }
