"""Open-Meteo as far as it is asked here: ranges that it refuses whole, and nulls for what it does not have yet."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

Temperatures = Callable[[date], tuple[float | None, float | None]]
_ASKED: Final = {"latitude", "longitude", "start_date", "end_date", "daily", "timezone"}


def answer(query: Mapping[str, str], first: date, last: date, temperatures: Temperatures) -> tuple[int, dict[str, Any]]:
    """Give status and body for a range; low and high of each day come from `temperatures`."""
    assert set(query) == _ASKED
    assert query["daily"] == "temperature_2m_max,temperature_2m_min"
    assert query["timezone"] == "UTC"
    start, end = date.fromisoformat(query["start_date"]), date.fromisoformat(query["end_date"])
    for name, day in (("start_date", start), ("end_date", end)):
        if not first <= day <= last:
            return 400, {"error": True, "reason": f"Parameter '{name}' is out of allowed range from {first} to {last}"}
    if start > end:
        return 400, {"error": True, "reason": "End-date must be larger or equals than start-date"}
    days = [start + timedelta(days=number) for number in range((end - start).days + 1)]
    values = [temperatures(day) for day in days]
    return 200, {
        "latitude": 38.6995,
        "longitude": -9.1406,
        "generationtime_ms": 0.03,
        "utc_offset_seconds": 0,
        "timezone": "UTC",
        "timezone_abbreviation": "UTC",
        "elevation": 12.0,
        "daily_units": {"time": "iso8601", "temperature_2m_max": "°C", "temperature_2m_min": "°C"},
        "daily": {
            "time": [day.isoformat() for day in days],
            "temperature_2m_max": [high for _, high in values],
            "temperature_2m_min": [low for low, _ in values],
        },
    }
