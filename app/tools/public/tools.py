"""The tools that ask public services, ready to be offered, and everything that they own."""

import ssl
from collections.abc import Hashable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar, final

from app.cache import SharedCache
from app.tools.public import geocoder, get_weather, places, search_places, temperatures, web_results, web_search
from app.tools.public.client import PublicClient
from app.tools.public.geocoder import Geocoder
from app.tools.public.handler import Row
from app.tools.public.place import Place
from app.tools.public.places import PlaceKey, Places
from app.tools.public.point import Point
from app.tools.public.service import Clock, Manners, PublicService
from app.tools.public.temperatures import OpenMeteo, TemperatureKey, Temperatures
from app.tools.public.trip_hint import Hints, VoyageHints, no_hints
from app.tools.public.weather import Weather
from app.tools.public.web_results import WebSearch
from app.voyage.client import VoyageClient

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")
_NOMINATIM_S: Final = 10.0
_OVERPASS_S: Final = 20.0
_OPEN_METEO_S: Final = 8.0
_SEARXNG_S: Final = 10.0
_SMALL_BYTES: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicAddresses:
    """What the operator has set; a tool whose service has no address is not offered."""

    nominatim: str | None = None
    overpass: str | None = None
    osm_interval_s: float = 1.0
    """Between two requests to either of them, from this process."""
    forecast: str | None = None
    archive: str | None = None
    searxng: str | None = None
    contact: str | None = None
    """Where the operator can be reached; the services see it."""


@final
class PublicTools:
    """Owner of the connections and of what was found; use it as an async context manager, in one event loop."""

    def __init__(
        self,
        addresses: PublicAddresses,
        voyage: VoyageClient | None = None,
        *,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take where to ask, and Voyage for what a trip says; the client stays its owner's."""
        self._addresses = addresses
        self._hints: Hints = VoyageHints(voyage) if voyage is not None else no_hints
        self._clock = clock or Clock()
        self._client = PublicClient(contact=addresses.contact, tls=tls)
        self._closing = AsyncExitStack()
        self._rows: tuple[Row, ...] = ()

    @property
    def rows(self) -> Sequence[Row]:
        """The tools that can be offered, each with what carries it out; none before the block."""
        return self._rows

    async def __aenter__(self) -> Self:
        """Open the pool; nothing is asked."""
        await self._closing.enter_async_context(self._client)
        finder = self._geocoder()
        self._rows = (*self._places(finder), *self._web(), *self._weather(finder))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is under way, and close every connection."""
        await self._closing.aclose()

    def _geocoder(self) -> Geocoder | None:
        at = self._addresses
        if at.nominatim is None:
            return None
        manners = Manners(seconds=_NOMINATIM_S, slots=1, interval_s=at.osm_interval_s, max_bytes=_SMALL_BYTES)
        cache: SharedCache[str, Point | None] = self._cache(geocoder.MAX_KEPT)
        return Geocoder(self._service("The place search (Nominatim)", at.nominatim, manners), cache)

    def _places(self, finder: Geocoder | None) -> tuple[Row, ...]:
        at = self._addresses
        if finder is None or at.overpass is None:
            return ()
        manners = Manners(seconds=_OVERPASS_S, slots=1, interval_s=at.osm_interval_s)
        cache: SharedCache[PlaceKey, tuple[Place, ...]] = self._cache(places.MAX_KEPT)
        around = Places(self._service("The map service (Overpass)", at.overpass, manners), cache)
        return ((search_places.TOOL, search_places.SearchPlaces(finder, around, self._hints)),)

    def _web(self) -> tuple[Row, ...]:
        at = self._addresses
        if at.searxng is None:
            return ()
        manners = Manners(seconds=_SEARXNG_S, slots=4, interval_s=0.0)
        cache: SharedCache[str, tuple[dict[str, Any], ...]] = self._cache(web_results.MAX_KEPT)
        return (
            (
                web_search.TOOL,
                web_search.SearchWeb(WebSearch(self._service("The web search", at.searxng, manners), cache)),
            ),
        )

    def _weather(self, finder: Geocoder | None) -> tuple[Row, ...]:
        at = self._addresses
        if at.forecast is None or at.archive is None:
            return ()
        # 600 a minute are allowed to both together; one question may be 40 requests.
        manners = Manners(seconds=_OPEN_METEO_S, slots=8, interval_s=0.2, waiting=200, max_bytes=_SMALL_BYTES)
        cache: SharedCache[TemperatureKey, Temperatures] = self._cache(temperatures.MAX_KEPT)
        records = OpenMeteo(
            self._service("The weather archive (Open-Meteo)", at.archive, manners),
            self._service("The weather forecast (Open-Meteo)", at.forecast, manners),
            cache,
        )
        return ((get_weather.TOOL, get_weather.GetWeather(Weather(records, self._clock.today), finder, self._hints)),)

    def _service(self, name: str, base_url: str, manners: Manners) -> PublicService:
        return PublicService(name, base_url, manners, self._client, self._clock)

    def _cache(self, max_entries: int) -> SharedCache[_K, _V]:
        cache: SharedCache[_K, _V] = SharedCache(max_entries=max_entries, monotonic=self._clock.monotonic)
        self._closing.push_async_callback(cache.close)
        return cache
