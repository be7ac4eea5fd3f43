"""The lowest and the highest temperature of days: Open-Meteo's archive and its forecast."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, NamedTuple, final

from app.cache import SharedCache
from app.tools.public.failure import PublicFailure
from app.tools.public.numbers import number
from app.tools.public.point import Point
from app.tools.public.service import PublicService
from app.tools.public.trip_hint import day_of
from app.voyage.reading import mapping, sequence

Record = Literal["archive", "forecast"]
MAX_KEPT: Final = 1000
SETTLED_S: Final = 30 * 86_400.0
UNSETTLED_S: Final = 3600.0
FIRST_ARCHIVED: Final = date(1940, 1, 1)
_FORECAST_BACK: Final = timedelta(days=90)
_FORECAST_AHEAD: Final = timedelta(days=15)
_SETTLED_AFTER: Final = timedelta(days=7)
_POINT_DIGITS: Final = 2
"""About a kilometre; the models behind it are coarser."""
_MAX_DAYS: Final = 400
_EXTREME_C: Final = 100.0


class Range(NamedTuple):
    """In degrees Celsius."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Span:
    """Days from the first to the last, both included."""

    first: date
    last: date


TemperatureKey = tuple[Record, Point, Span]
Temperatures = Mapping[date, Range]


@final
class OpenMeteo:
    """Asks both services, and remembers what they said for everybody."""

    def __init__(
        self, archive: PublicService, forecast: PublicService, cache: SharedCache[TemperatureKey, Temperatures]
    ) -> None:
        """Take the services, and where answers are kept; the cache stays its owner's."""
        self._services: Mapping[Record, PublicService] = {"archive": archive, "forecast": forecast}
        self._cache = cache

    async def ask(self, record: Record, point: Point, span: Span, today: date) -> Temperatures:
        """Give the days of `span` that the record has; raises `PublicFailure` and `CacheClosed`.

        The service refuses a span that reaches beyond what `covers` says, whole.
        """
        near = point.rounded(_POINT_DIGITS)
        settled = record == "archive" and span.last < today - _SETTLED_AFTER
        return await self._cache.get(
            (record, near, span),
            lambda: self._fetch(record, near, span),
            lambda days: SETTLED_S if settled and days else UNSETTLED_S,
        )

    async def _fetch(self, record: Record, point: Point, span: Span) -> Temperatures:
        service = self._services[record]
        query = {
            "latitude": f"{point.latitude:.2f}",
            "longitude": f"{point.longitude:.2f}",
            "start_date": span.first.isoformat(),
            "end_date": span.last.isoformat(),
            "daily": "temperature_2m_max,temperature_2m_min",
            "timezone": "UTC",
        }
        answer = await service.ask(f"/v1/{record}", query=query)
        daily = mapping(answer).get("daily")
        if not isinstance(daily, dict):
            raise PublicFailure(service.name, "unexpected_answer")
        return _read(mapping(daily))  # pyright: ignore[reportUnknownArgumentType] - JSON, looked at there


def covers(record: Record, day: date, today: date) -> bool:
    """Say whether a record may have that day; the archive gets the latest ones some days late."""
    if record == "archive":
        return FIRST_ARCHIVED <= day < today
    return today - _FORECAST_BACK <= day <= today + _FORECAST_AHEAD


def _read(daily: Mapping[str, Any]) -> Temperatures:
    columns = (sequence(daily.get(key))[:_MAX_DAYS] for key in ("time", "temperature_2m_min", "temperature_2m_max"))
    days: dict[date, Range] = {}
    for text, low, high in zip(*columns, strict=False):
        day, lowest, highest = day_of(text), _degrees(low), _degrees(high)
        if day is not None and lowest is not None and highest is not None:
            days[day] = Range(lowest, highest)
    return days


def _degrees(value: object) -> float | None:
    degrees = number(value) if isinstance(value, int | float) else None
    return degrees if degrees is not None and abs(degrees) <= _EXTREME_C else None
