"""The weather of days: measured, forecast, or what it was in the years before."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal, final

from app.tools.public.failure import PublicFailure
from app.tools.public.point import Point
from app.tools.public.temperatures import FIRST_ARCHIVED, OpenMeteo, Range, Record, Span, Temperatures, covers

Source = Literal["archive", "forecast", "historical_estimate"]
MAX_SPANS: Final = 6
"""Each is up to seven requests."""
_SPAN: Final = timedelta(days=13)
"""A request for more than two weeks counts as several at the service."""
_YEARS: Final = 5
_AROUND: Final = timedelta(days=7)
_LAST_DAY: Final = date(2200, 1, 1)


@dataclass(frozen=True, slots=True)
class Day:
    """The temperatures of a day, and where they come from."""

    range: Range
    source: Source


@dataclass(slots=True)
class Report:
    """Filled while the services answer: what is there counts, whenever somebody stops waiting."""

    days: dict[date, Day] = field(default_factory=dict[date, Day])
    failure: PublicFailure | None = None
    """The last one; others may have answered."""


@final
class Weather:
    """Looks into the records in turn, until each day has an answer."""

    def __init__(self, records: OpenMeteo, today: Callable[[], date]) -> None:
        """Take the records, and the day it is in UTC."""
        self._records = records
        self.today = today

    async def fill(self, report: Report, point: Point, days: Iterable[date]) -> None:
        """Fill in the days that can be known; a failure only means the next step. Raises `CacheClosed`."""
        today = self.today()
        wanted = sorted({day for day in days if FIRST_ARCHIVED <= day <= _LAST_DAY})
        for record in ("archive", "forecast"):
            missing = [day for day in wanted if day not in report.days and covers(record, day, today)]
            await asyncio.gather(*(self._look(report, record, point, span, today) for span in spans(missing)))
        missing = [day for day in wanted if day not in report.days]
        await asyncio.gather(*(self._estimate(report, point, span, missing, today) for span in spans(missing)))

    async def _look(self, report: Report, record: Record, point: Point, span: Span, today: date) -> None:
        found = await self._ask(report, record, point, span, today)
        for day, temperatures in found.items():
            report.days.setdefault(day, Day(temperatures, record))

    async def _estimate(self, report: Report, point: Point, span: Span, missing: Sequence[date], today: date) -> None:
        """Give each day of the span the mean of the days around it, over the latest years that have them all."""
        years = _years_before(span, today)
        past = await asyncio.gather(
            *(
                self._ask(
                    report, "archive", point, Span(_in_year(span.first, -back) - _AROUND, _end(span, back)), today
                )
                for back in years
            )
        )
        for day in missing:
            if span.first <= day <= span.last:
                near = [_around(found, _in_year(day, -back)) for back, found in zip(years, past, strict=True)]
                ranges = [temperatures for year in near for temperatures in year]
                if ranges:
                    mean = Range(*(sum(column) / len(ranges) for column in zip(*ranges, strict=True)))
                    report.days[day] = Day(mean, "historical_estimate")

    async def _ask(self, report: Report, record: Record, point: Point, span: Span, today: date) -> Temperatures:
        try:
            return await self._records.ask(record, point, span, today)
        except PublicFailure as failure:
            report.failure = failure
            return {}


def spans(days: Sequence[date]) -> list[Span]:
    """Cover sorted days with spans of up to two weeks."""
    found: list[Span] = []
    for day in days:
        if found and day - found[-1].first <= _SPAN:
            found[-1] = Span(found[-1].first, day)
        else:
            found.append(Span(day, day))
    return found


def _years_before(span: Span, today: date) -> list[int]:
    """Give how many years back to look: the latest that the archive has whole, as many as count."""
    most = span.first.year - FIRST_ARCHIVED.year
    fits = (
        back
        for back in range(1, most + 1)
        if _end(span, back) < today and _in_year(span.first, -back) - _AROUND >= FIRST_ARCHIVED
    )
    return [back for back, _ in zip(fits, range(_YEARS), strict=False)]


def _end(span: Span, back: int) -> date:
    return _in_year(span.last, -back) + _AROUND


def _in_year(day: date, years: int) -> date:
    """Give the same day of another year; 29 February is the 28th where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def _around(found: Temperatures, day: date) -> list[Range]:
    return [temperatures for at, temperatures in found.items() if abs(at - day) <= _AROUND]
