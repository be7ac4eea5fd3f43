"""A place on the map, as Overpass gives it and as the interface shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.tools.public.links import web_link
from app.tools.public.point import Point, point_of
from app.voyage.reading import mapping, one_line

MAX_NAME_CHARS: Final = 200
_MAX_ADDRESS_CHARS: Final = 200
_WEBSITES: Final = ("website", "contact:website", "official_website", "url")
_TOWNS: Final = ("addr:city", "addr:town", "addr:village")
_ELEMENTS: Final = frozenset({"node", "way", "relation"})
_MAP: Final = "https://www.openstreetmap.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is shown of a place; each text is a single line."""

    name: str
    address: str
    point: Point
    website: str | None
    map_url: str
    known: bool
    """Whether it has what makes a place of its kind worth more."""

    def shown(self, category: str) -> dict[str, Any]:
        """Give the card."""
        return {
            "name": self.name,
            "address": self.address,
            "latitude": self.point.latitude,
            "longitude": self.point.longitude,
            "category": category,
            "link": self.website or self.map_url,
            "official_website": self.website,
            "map_url": self.map_url,
        }


def read_place(element: object, known_by: str) -> Place | None:
    """Give the place of one element of an answer; None for one without a name or a point."""
    fields = mapping(element)
    tags = mapping(fields.get("tags"))
    center = mapping(fields.get("center"))
    point = point_of(fields.get("lat"), fields.get("lon")) or point_of(center.get("lat"), center.get("lon"))
    name = one_line(tags.get("name"), MAX_NAME_CHARS)
    if name is None or point is None:
        return None
    return Place(
        name=name,
        address=_address(tags),
        point=point,
        website=next((link for key in _WEBSITES if (link := web_link(tags.get(key)))), None),
        map_url=_map_url(fields, point),
        known=bool(tags.get(known_by)),
    )


def _address(tags: Mapping[str, Any]) -> str:
    whole = one_line(tags.get("addr:full"), _MAX_ADDRESS_CHARS)
    if whole:
        return whole
    street, number = (one_line(tags.get(key), _MAX_ADDRESS_CHARS) for key in ("addr:street", "addr:housenumber"))
    town = next((text for key in _TOWNS if (text := one_line(tags.get(key), _MAX_ADDRESS_CHARS))), None)
    line = " ".join(part for part in (street, number) if part)
    return ", ".join(part for part in (line, town) if part)[:_MAX_ADDRESS_CHARS]


def _map_url(fields: Mapping[str, Any], point: Point) -> str:
    kind, number = fields.get("type"), fields.get("id")
    if kind in _ELEMENTS and isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return f"{_MAP}/{kind}/{number}"
    return f"{_MAP}/?mlat={point.latitude}&mlon={point.longitude}"
