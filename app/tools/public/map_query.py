"""What Overpass, the query service of OpenStreetMap, is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.tools.public.point import Point

SERVER_SECONDS: Final = 15
"""What the server may take; the client waits longer, so that a refusal arrives too."""
_MOST_KNOWN: Final = 40
_MOST: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of places: a key of OpenStreetMap and the values that count."""

    key: str
    values: tuple[str, ...]
    known_by: str
    """The key that places have which many people look for."""


TOURISM: Final = Kind(
    key="tourism", values=("attraction", "museum", "viewpoint", "gallery", "theme_park"), known_by="wikidata"
)
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "tourism": TOURISM,
        "food": Kind(key="amenity", values=("restaurant", "cafe", "bar", "fast_food"), known_by="website"),
        "lodging": Kind(
            key="tourism", values=("hotel", "hostel", "guest_house", "motel", "apartment"), known_by="website"
        ),
    }
)


def map_query(kind: Kind, around: Point, metres: int) -> str:
    """Give the query: first those that are known, then any; the server sorts by its own numbers, and cuts off."""
    tag = f'["name"]["{kind.key}"~"^({"|".join(kind.values)})$"]'
    circle = f"(around:{metres},{around.latitude:.5f},{around.longitude:.5f})"
    return (
        f"[out:json][timeout:{SERVER_SECONDS}];"
        f'nwr["{kind.known_by}"]{tag}{circle};out center {_MOST_KNOWN};'
        f"nwr{tag}{circle};out center {_MOST};"
    )
