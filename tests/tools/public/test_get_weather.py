from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from app.secret import Secret
from app.tools.tool import ToolCaller
from app.voyage.client import VoyageClient
from tests.tools.public.fake import PAGE, TODAY, FakePublic, answers, hangs
from tests.tools.public.using import Toolbox, toolbox
from tests.voyage.fake import FakeVoyage

LISBON = {"latitude": 38.7, "longitude": -9.1}
NONE = {
    "available": False,
    "temperature_low_c": None,
    "temperature_high_c": None,
    "temperature_c": None,
    "is_estimate": False,
    "source": None,
}


@pytest.fixture
async def box(public: FakePublic) -> AsyncIterator[Toolbox]:
    async with toolbox(public) as opened:
        yield opened


async def weather(box: Toolbox, *dates: Any, **arguments: Any) -> dict[str, Any]:
    result = await box.call("get_weather", {**LISBON, "dates": list(dates), **arguments})
    assert not result.failed, result.value
    return result.value


async def test_the_documented_answer(box: Toolbox) -> None:
    value = await weather(box, "2027-03-10", "bad")

    assert value == {
        **LISBON,
        "results": [
            {
                "date": "2027-03-10",
                "available": True,
                "temperature_low_c": 10.0,
                "temperature_high_c": 20.0,
                "temperature_c": 15.0,
                "is_estimate": True,
                "source": "historical_estimate",
            },
            {"date": "bad", **NONE},
        ],
    }


async def test_each_day_has_its_source_in_the_order_asked(box: Toolbox) -> None:
    dates = ["2027-01-10", "2026-12-01", "2025-07-01", "2026-11-26", "2026-12-01T09:00"]
    value = await weather(box, *dates)

    assert [(entry["date"], entry["source"], entry["is_estimate"]) for entry in value["results"]] == [
        ("2027-01-10", "historical_estimate", True),
        ("2026-12-01", "forecast", False),
        ("2025-07-01", "archive", False),
        ("2026-11-26", "forecast", False),
        ("2026-12-01T09:00", "forecast", False),
    ]


async def test_days_that_the_archive_does_not_have_yet_come_from_the_forecast(box: Toolbox, public: FakePublic) -> None:
    public.measured = lambda day: (1.04, 2.0) if day < date(2026, 11, 24) else (None, 9.0)
    value = await weather(box, "2026-11-23", "2026-11-24")

    assert [(entry["temperature_low_c"], entry["source"]) for entry in value["results"]] == [
        (1.0, "archive"),
        (11.0, "forecast"),
    ]


async def test_the_estimate_is_the_mean_of_the_days_around_in_five_years(box: Toolbox, public: FakePublic) -> None:
    public.measured = lambda day: (float(day.year - 2000), float(day.year - 2000) + day.day / 100)
    value = await weather(box, "2028-02-29")

    asked = sorted((seen.query["start_date"], seen.query["end_date"]) for seen in public.asked("archive"))
    # 2027 has not been yet: the five latest years before it count.
    assert asked == [(f"{year}-02-21", f"{year}-03-07") for year in (2022, 2023)] + [
        ("2024-02-22", "2024-03-07"),
        ("2025-02-21", "2025-03-07"),
        ("2026-02-21", "2026-03-07"),
    ]
    assert value["results"][0]["temperature_low_c"] == 24.0


async def test_one_request_covers_the_days_of_a_trip(box: Toolbox, public: FakePublic) -> None:
    days = [(TODAY + timedelta(days=number)).isoformat() for number in range(7)]
    await weather(box, *days)

    assert [(seen.service, seen.query["start_date"], seen.query["end_date"]) for seen in public.seen] == [
        ("forecast", days[0], days[-1])
    ]
    assert (public.seen[0].query["latitude"], public.seen[0].query["longitude"]) == ("38.70", "-9.10")


async def test_what_is_beyond_every_record_is_asked_of_nobody(box: Toolbox, public: FakePublic) -> None:
    value = await weather(box, "1939-12-31", "9999-12-31", "0001-01-01", "", None, 5, {}, "2026-13-40")

    assert [entry["available"] for entry in value["results"]] == [False] * 8
    assert public.seen == []


async def test_a_service_that_fails_leaves_days_open_and_says_so(box: Toolbox, public: FakePublic) -> None:
    public.trouble = {"archive": answers(PAGE, 500), "forecast": answers(b'{"daily":{"time":["2026', 200)}
    value = await weather(box, "2026-11-27", "2026-11-01")

    assert [entry["available"] for entry in value["results"]] == [False, False]
    assert value["note"].startswith("The weather ")
    assert "127.0.0.1" not in str(value)
    public.trouble = {}
    assert all(entry["available"] for entry in (await weather(box, "2026-11-27", "2026-11-01"))["results"])


async def test_what_is_there_at_the_deadline_counts(box: Toolbox, public: FakePublic) -> None:
    public.trouble = {"forecast": hangs()}
    result = await box.call("get_weather", {**LISBON, "dates": ["2026-11-01", "2026-11-28"]}, seconds=0.6)

    assert [entry["available"] for entry in result.value["results"]] == [True, False]
    assert result.value["note"] == "The weather service did not answer in time; some days are missing."


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"latitude": None}, "latitude and longitude are required"),
        ({"longitude": ""}, "latitude and longitude are required"),
        ({"dates": None}, "dates is required"),
        ({"dates": []}, "dates is required"),
        ({"dates": {}}, "dates is required"),
        ({"latitude": "north"}, "latitude and longitude must be numeric"),
        ({"longitude": True}, "latitude and longitude must be numeric"),
        ({"latitude": 95.5}, "latitude must be within -90 and 90, longitude within -180 and 180"),
        ({"dates": ["2026-11-26"] * 32}, "at most 31 dates at once"),
        (
            {"dates": [f"{year}-06-01" for year in range(2000, 2007)]},
            "the dates are too far apart; ask for fewer at once",
        ),
    ],
)
async def test_wrong_arguments(box: Toolbox, public: FakePublic, changes: dict[str, Any], error: str) -> None:
    result = await box.call("get_weather", {**LISBON, "dates": ["2026-11-26"], **changes})

    assert (result.failed, result.retryable, result.value) == (True, True, {"error": error})
    assert public.seen == []


async def test_numbers_may_be_texts_and_a_date_may_stand_alone(box: Toolbox) -> None:
    result = await box.call("get_weather", latitude="38.7", longitude="-9.1", dates="2026-11-26")

    assert (result.value["latitude"], result.value["results"][0]["available"]) == (38.7, True)


async def test_the_trip_says_where_and_when(public: FakePublic) -> None:
    public.geocoded["Rome"] = ("41.89", "12.48")
    async with FakeVoyage() as voyage, VoyageClient(voyage.base_url) as client:
        session = Secret(voyage.sign_in(7))
        place = {"name": "Fontana", "city": {"name": "Rome"}}
        trips = [
            voyage.add_trip(7, locations=[place], start_date="2026-11-28", end_date="2027-02-01"),
            voyage.add_trip(7, locations=[place], start_date="2026-11-29", end_date="2026-11-28"),
            voyage.add_trip(7, locations=[place]),
            voyage.add_trip(7),
        ]
        callers = [ToolCaller(user_id="7", session=session, collection_id=trip) for trip in trips]
        async with toolbox(public, voyage=client) as box:
            long, short, undated, nowhere = [await box.call("get_weather", caller=caller) for caller in callers]

    # Each request is one of those that Voyage grants a person in a day.
    assert len(voyage.requests) == 4
    assert (long.value["latitude"], long.value["longitude"]) == (41.89, 12.48)
    assert [entry["date"] for entry in long.value["results"]] == [
        (date(2026, 11, 28) + timedelta(days=number)).isoformat() for number in range(7)
    ]
    assert [entry["date"] for entry in short.value["results"]] == ["2026-11-29"]
    assert [entry["date"] for entry in undated.value["results"]] == [TODAY.isoformat()]
    assert nowhere.value == {"error": "latitude and longitude are required"}
