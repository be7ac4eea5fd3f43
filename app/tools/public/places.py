"""The places of a kind around a point."""

from typing import Any, Final, final

from app.cache import SharedCache
from app.tools.public.failure import PublicFailure
from app.tools.public.map_query import Kind, map_query
from app.tools.public.place import Place, read_place
from app.tools.public.point import Point
from app.tools.public.service import PublicService
from app.voyage.reading import mapping, sequence

PlaceKey = tuple[Kind, Point, int]
MAX_PLACES: Final = 5
MAX_KEPT: Final = 500
FOUND_S: Final = 86_400.0
NONE_FOUND_S: Final = 3600.0
_MAX_ELEMENTS: Final = 200
_POINT_DIGITS: Final = 3
"""About 100 m: whoever asks from near by gets the same answer."""


@final
class Places:
    """Finds places, and remembers what it found for everybody."""

    def __init__(self, service: PublicService, cache: SharedCache[PlaceKey, tuple[Place, ...]]) -> None:
        """Take the service, and where answers are kept; the cache stays its owner's."""
        self._service = service
        self._cache = cache

    async def around(self, point: Point, metres: int, kind: Kind) -> tuple[Place, ...]:
        """Give up to `MAX_PLACES`, those that are known first, each group from near to far.

        Raises `PublicFailure` and `CacheClosed`.
        """
        center = point.rounded(_POINT_DIGITS)
        return await self._cache.get(
            (kind, center, metres),
            lambda: self._ask(center, metres, kind),
            lambda places: FOUND_S if places else NONE_FOUND_S,
        )

    async def _ask(self, center: Point, metres: int, kind: Kind) -> tuple[Place, ...]:
        answer = await self._service.ask("/interpreter", query={}, form={"data": map_query(kind, center, metres)})
        fields = mapping(answer)
        if not isinstance(fields.get("elements"), list):
            raise PublicFailure(self._service.name, "unexpected_answer")
        found: dict[Any, Place] = {}
        for element in sequence(fields["elements"])[:_MAX_ELEMENTS]:
            place = read_place(element, kind.known_by)
            if place is not None:
                found.setdefault(place.map_url, place)
        if not found and isinstance(fields.get("remark"), str):
            # The server ran out of time or memory, and says so with status 200.
            raise PublicFailure(self._service.name, "overloaded")
        return tuple(
            sorted(found.values(), key=lambda place: (not place.known, place.point.km_to(center)))[:MAX_PLACES]
        )
