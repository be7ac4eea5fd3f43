"""The tool that tells how warm it will be, or was."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, final

from app.tools.public.answer import answered, failed
from app.tools.public.geocoder import Geocoder
from app.tools.public.numbers import number
from app.tools.public.point import Point, point_of
from app.tools.public.trip_hint import Hints, TripHint, day_of
from app.tools.public.weather import MAX_SPANS, Day, Report, Weather, spans
from app.tools.tool import Tool, ToolCaller, ToolResult

TOOL: Final = Tool(
    name="get_weather",
    description=(
        "Tell the lowest and highest temperature of given days at a point, in degrees Celsius: measured for days that "
        "are past, forecast for the next two weeks, and for later ones what it was at that time in recent years "
        "(is_estimate is true then). Data: Open-Meteo.com (CC BY 4.0)."
    ),
    parameters={
        "type": "object",
        "properties": {
            "latitude": {"type": "number", "description": "Degrees north, -90 to 90."},
            "longitude": {"type": "number", "description": "Degrees east, -180 to 180."},
            "dates": {
                "type": "array",
                "items": {"type": "string"},
                "description": "The days, each as YYYY-MM-DD; up to 31.",
            },
        },
        "required": ["latitude", "longitude", "dates"],
    },
)
MAX_DATES: Final = 31
MAX_TRIP_DAYS: Final = 7
_MAX_ECHO_CHARS: Final = 40
_MARGIN_S: Final = 0.5
"""Left of the caller's deadline to answer with what there is."""


@final
class GetWeather:
    """Called with the arguments of `TOOL`."""

    def __init__(self, weather: Weather, geocoder: Geocoder | None, hints: Hints) -> None:
        """Take who knows the weather, where a name is, and what the caller's trip says."""
        self._weather = weather
        self._geocoder = geocoder
        self._hints = hints

    async def __call__(self, arguments: Mapping[str, Any], caller: ToolCaller, seconds: float) -> ToolResult:
        """Give `{latitude, longitude, results}`, one result a date; what is not given is taken from the trip."""
        began = asyncio.get_running_loop().time()

        async def tell() -> ToolResult:
            given = await self._complete(arguments, caller)
            if isinstance(given, ToolResult):
                return given
            spent = asyncio.get_running_loop().time() - began
            return await self._tell(*given, seconds - spent - min(_MARGIN_S, seconds / 2))

        return await answered(tell(), seconds)

    async def _tell(self, point: Point, dates: Sequence[object], seconds: float) -> ToolResult:
        report = Report()
        days = [_exact_day(text) for text in dates]
        wanted = sorted({day for day in days if day is not None})
        if len(spans(wanted)) > MAX_SPANS:
            return failed("the dates are too far apart; ask for fewer at once")
        try:
            async with asyncio.timeout(seconds):
                await self._weather.fill(report, point, wanted)
        except TimeoutError:
            note = "The weather service did not answer in time; some days are missing."
        else:
            note = str(report.failure) if report.failure is not None else ""
        results = [_entry(text, report.days.get(day) if day else None) for text, day in zip(dates, days, strict=True)]
        told: dict[str, Any] = {"latitude": point.latitude, "longitude": point.longitude, "results": results}
        if note and not all(entry["available"] for entry in results):
            told["note"] = note
        return ToolResult(value=told)

    async def _complete(
        self, arguments: Mapping[str, Any], caller: ToolCaller
    ) -> tuple[Point, Sequence[object]] | ToolResult:
        """Give point and dates, or what is wrong with them."""
        latitude, longitude, dates = (arguments.get(key) for key in ("latitude", "longitude", "dates"))
        point: Point | None
        if _missing(latitude) or _missing(longitude):
            hint = await self._hints(caller)
            point = await self._find(hint)
            if point is None:
                return failed("latitude and longitude are required")
            dates = dates or self._days(hint)
        elif number(latitude) is None or number(longitude) is None:
            return failed("latitude and longitude must be numeric")
        else:
            point = point_of(latitude, longitude)
        if point is None:
            return failed("latitude must be within -90 and 90, longitude within -180 and 180")
        if isinstance(dates, str):
            dates = [dates]
        if not isinstance(dates, list) or not dates:
            return failed("dates is required")
        if len(dates) > MAX_DATES:  # pyright: ignore[reportUnknownArgumentType] - JSON
            return failed(f"at most {MAX_DATES} dates at once")
        return point, dates  # pyright: ignore[reportUnknownVariableType] - JSON, each is looked at by itself

    async def _find(self, hint: TripHint) -> Point | None:
        return await self._geocoder.find(hint.place) if hint.place and self._geocoder is not None else None

    def _days(self, hint: TripHint) -> list[str]:
        """Give the days of the trip, the first week at most; today where it has none."""
        first = hint.first_day or self._weather.today()
        last = hint.last_day if hint.first_day and hint.last_day else first
        count = min(max((last - first).days + 1, 1), MAX_TRIP_DAYS)
        return [(first + timedelta(days=number)).isoformat() for number in range(count)]


def _missing(value: object) -> bool:
    return value is None or value == ""


def _exact_day(text: object) -> date | None:
    return day_of(text) if isinstance(text, str) and len(text) <= _MAX_ECHO_CHARS else None


def _entry(text: object, day: Day | None) -> dict[str, Any]:
    shown = text[:_MAX_ECHO_CHARS] if isinstance(text, str) else None
    if day is None:
        low = high = middle = None
    else:
        low, high = round(day.range.low, 1), round(day.range.high, 1)
        middle = round((day.range.low + day.range.high) / 2, 1)
    return {
        "date": shown,
        "available": day is not None,
        "temperature_low_c": low,
        "temperature_high_c": high,
        "temperature_c": middle,
        "is_estimate": day is not None and day.source == "historical_estimate",
        "source": day.source if day is not None else None,
    }
