"""A point on earth."""

import math
from dataclasses import dataclass
from typing import Final

from app.tools.public.numbers import number

_MAX_LATITUDE: Final = 90.0
_MAX_LONGITUDE: Final = 180.0
_EARTH_RADIUS_KM: Final = 6371.0


@dataclass(frozen=True, slots=True)
class Point:
    """In degrees, within ±90 and ±180."""

    latitude: float
    longitude: float

    def km_to(self, other: "Point") -> float:
        """Give the distance along the surface."""
        north, other_north = math.radians(self.latitude), math.radians(other.latitude)
        east = math.radians(other.longitude - self.longitude)
        half = math.sin((other_north - north) / 2) ** 2
        half += math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
        return 2 * _EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(half)))

    def rounded(self, digits: int) -> "Point":
        """Give a point near by; the fewer digits, the more people share it."""
        # A sum with zero turns -0.0 into 0.0, which is another text.
        return Point(round(self.latitude, digits) + 0.0, round(self.longitude, digits) + 0.0)


def point_of(latitude: object, longitude: object) -> Point | None:
    """Give a point from two numbers, also as texts; None where there is none."""
    north, east = number(latitude), number(longitude)
    if north is None or east is None or abs(north) > _MAX_LATITUDE or abs(east) > _MAX_LONGITUDE:
        return None
    return Point(north, east)
