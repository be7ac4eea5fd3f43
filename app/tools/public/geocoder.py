"""Where a place is that somebody names: Nominatim, OpenStreetMap's search."""

from typing import Final, final

from app.cache import SharedCache
from app.tools.public.failure import PublicFailure
from app.tools.public.point import Point, point_of
from app.tools.public.service import PublicService
from app.voyage.reading import mapping, one_line

MAX_TEXT_CHARS: Final = 200
MAX_KEPT: Final = 2000
FOUND_S: Final = 7 * 86_400.0
NOT_FOUND_S: Final = 3600.0


@final
class Geocoder:
    """Finds places by their names, and remembers what it found for everybody."""

    def __init__(self, service: PublicService, cache: SharedCache[str, Point | None]) -> None:
        """Take the service, and where answers are kept; the cache stays its owner's."""
        self._service = service
        self._cache = cache

    async def find(self, text: str) -> Point | None:
        """Give the first hit; None where there is none. Raises `PublicFailure` and `CacheClosed`."""
        wanted = one_line(text, MAX_TEXT_CHARS)
        if wanted is None:
            return None
        return await self._cache.get(
            wanted.casefold(), lambda: self._ask(wanted), lambda point: NOT_FOUND_S if point is None else FOUND_S
        )

    async def _ask(self, text: str) -> Point | None:
        hits = await self._service.ask("/search", query={"q": text, "format": "json", "limit": "1"})
        if not isinstance(hits, list):
            raise PublicFailure(self._service.name, "unexpected_answer")
        if not hits:
            return None
        first = mapping(hits[0])  # pyright: ignore[reportUnknownArgumentType] - JSON, looked at there
        point = point_of(first.get("lat"), first.get("lon"))
        if point is None:
            raise PublicFailure(self._service.name, "unexpected_answer")
        return point
