"""The tool that finds places to see, to eat and to stay near a location."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, final

from app.tools.public.answer import answered, failed
from app.tools.public.geocoder import MAX_TEXT_CHARS, Geocoder
from app.tools.public.map_query import KINDS, TOURISM
from app.tools.public.numbers import number
from app.tools.public.places import Places
from app.tools.public.point import Point
from app.tools.public.trip_hint import Hints
from app.tools.public.wish import wants_food
from app.tools.tool import Tool, ToolCaller, ToolResult
from app.voyage.reading import one_line

TOOL: Final = Tool(
    name="search_places",
    description=(
        "Look for real places near a town, district, address or landmark: sights and museums, places to eat and drink, "
        "or places to stay. Gives up to five, with address, coordinates and links. "
        "Data: OpenStreetMap contributors (ODbL)."
    ),
    parameters={
        "type": "object",
        "properties": {
            "location": {
                "type": "string",
                "description": "Where to look, as one would write it on a map: 'Alfama, Lisbon'.",
            },
            "category": {
                "type": "string",
                "enum": ["tourism", "food", "lodging"],
                "description": "tourism for sights (the default), food for eating and drinking, lodging for stays.",
            },
            "radius": {"type": "number", "description": "How far from there, in kilometres: 0.5 to 50, 10 by default."},
        },
        "required": ["location"],
    },
)
DEFAULT_KM: Final = 10.0
_MIN_KM: Final = 0.5
_MAX_KM: Final = 50.0
_MAX_CATEGORY_CHARS: Final = 50


@final
class SearchPlaces:
    """Called with the arguments of `TOOL`."""

    def __init__(self, geocoder: Geocoder, places: Places, hints: Hints) -> None:
        """Take who knows where a name is, what is around it, and what the caller's trip says."""
        self._geocoder = geocoder
        self._places = places
        self._hints = hints

    async def __call__(self, arguments: Mapping[str, Any], caller: ToolCaller, seconds: float) -> ToolResult:
        """Give `{location, category, results}`; without a usable location, that of the caller's trip is taken."""
        return await answered(self._search(arguments, caller), seconds)

    async def _search(self, arguments: Mapping[str, Any], caller: ToolCaller) -> ToolResult:
        metres = _metres(arguments.get("radius"))
        if metres is None:
            return failed("radius must be a number of kilometres")
        category = (one_line(arguments.get("category"), _MAX_CATEGORY_CHARS) or _category_of(caller)).lower()
        asked = one_line(arguments.get("location"), MAX_TEXT_CHARS)
        location, point = await self._locate(asked, caller)
        if location is None:
            return failed("location is required")
        if point is None:
            return failed(f"Could not geocode location: {location}")
        places = await self._places.around(point, metres, KINDS.get(category, TOURISM))
        found: dict[str, Any] = {
            "location": location,
            "category": category,
            "results": [place.shown(category) for place in places],
        }
        if asked is not None and location != asked:
            found["note"] = (
                f"'{asked}' is not on the map; these are near '{location}', which the conversation is about."
            )
        return ToolResult(value=found)

    async def _locate(self, asked: str | None, caller: ToolCaller) -> tuple[str | None, Point | None]:
        """Give what was looked for and where it is: as asked, else as the trip says."""
        tried: dict[str, None] = {}
        async for place in self._guesses(asked, caller):
            if place not in tried:
                tried[place] = None
                point = await self._geocoder.find(place)
                if point is not None:
                    return place, point
        return next(iter(tried), None), None

    async def _guesses(self, asked: str | None, caller: ToolCaller) -> AsyncIterator[str]:
        if asked:
            yield asked
        named = one_line(caller.place, MAX_TEXT_CHARS)
        if named:
            yield named
        stop = (await self._hints(caller)).place
        if stop:
            yield stop


def _category_of(caller: ToolCaller) -> str:
    return "food" if wants_food(caller.said) else "tourism"


def _metres(radius: object) -> int | None:
    """Give the radius within its bounds; None for what is no number."""
    if radius is None or radius == "" or (radius == 0 and not isinstance(radius, bool)):
        return int(DEFAULT_KM * 1000)
    km = number(radius)
    return int(min(max(km, _MIN_KM), _MAX_KM) * 1000) if km is not None else None
