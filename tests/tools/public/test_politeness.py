"""How the services see the gateway: who asks, how often, and never twice for the same."""

import asyncio
from typing import Final

import pytest

from app.cache import CacheClosed
from app.tools.public.pace import LONGEST_REST_S, REST_S, Crowded, Pace, Resting
from app.tools.tool import ToolUnavailable
from tests.tools.public.fake import FakePublic, answers, hangs
from tests.tools.public.overpass import node
from tests.tools.public.using import Ticks, toolbox

TOWNS: Final = ("Rome", "Paris", "Lisbon", "Oslo")


@pytest.fixture
def _towns(public: FakePublic) -> None:
    public.geocoded = {town: (str(10 + number), "5.0") for number, town in enumerate(TOWNS)}
    public.elements = [node(number, 10 + number, 5.0, name="A", tourism="museum") for number in range(1, 4)]


async def test_every_request_says_who_asks_and_nothing_else(
    public: FakePublic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    public.geocoded["Rome"] = ("41.9", "12.5")
    async with toolbox(public) as box:
        await box.call("search_places", location="Rome")
        await box.call("web_search", query="x")
        await box.call("get_weather", latitude=1, longitude=2, dates=["2026-11-27", "2026-11-01"])

    assert {seen.service for seen in public.seen} == {"nominatim", "overpass", "searxng", "forecast", "archive"}
    for seen in public.seen:
        form = {"content-length", "content-type"} if seen.service == "overpass" else set[str]()
        assert set(seen.headers) == {"host", "user-agent", "accept", "accept-encoding"} | form
        assert seen.headers["user-agent"] == "voyage-llm-gateway/0.1 (ops@example.org)"
        assert seen.headers["accept-encoding"] == "identity"


async def test_without_a_contact_the_product_is_named(public: FakePublic) -> None:
    async with toolbox(public, contact=None) as box:
        await box.call("web_search", query="x")

    assert public.seen[0].headers["user-agent"] == "voyage-llm-gateway/0.1"


@pytest.mark.usefixtures("_towns")
async def test_one_request_a_second_for_all_users_together(public: FakePublic, ticks: Ticks) -> None:
    async with toolbox(public, ticks) as box:
        results = await asyncio.gather(*(box.call("search_places", location=town) for town in TOWNS))

    assert not any(result.failed for result in results)
    assert [len(public.asked(service)) for service in ("nominatim", "overpass")] == [4, 4]
    # Four towns at once: three waits of a second at one service at least, and each wait is told by the clock.
    assert ticks.now >= 1003.0
    assert all(0 < pause <= 1.0 for pause in ticks.slept)


@pytest.mark.usefixtures("_towns")
async def test_the_same_question_is_asked_once_however_it_is_written(public: FakePublic, ticks: Ticks) -> None:
    async with toolbox(public, ticks) as box:
        spellings = ("Rome", " rome ", "ROME\n")
        results = await asyncio.gather(*(box.call("search_places", location=town) for town in spellings))
        results.append(await box.call("search_places", location="rome", category="tourism"))

    # The first spelling that came is what Nominatim was asked for; others share its answer.
    assert [len(public.asked(service)) for service in ("nominatim", "overpass")] == [1, 1]
    assert [result.failed for result in results] == [False] * 4


@pytest.mark.usefixtures("_towns")
async def test_answers_expire(public: FakePublic, ticks: Ticks) -> None:
    async with toolbox(public, ticks) as box:
        await box.call("search_places", location="Paris")
        ticks.now += 86_400
        await box.call("search_places", location="Paris")
        ticks.now += 7 * 86_400
        await box.call("search_places", location="Paris")
        await box.call("search_places", location="Atlantis")
        ticks.now += 3599
        await box.call("search_places", location="Atlantis")
        ticks.now += 1
        await box.call("search_places", location="Atlantis")

    assert [seen.query["q"] for seen in public.asked("nominatim")] == ["Paris", "Paris", "Atlantis", "Atlantis"]
    assert len(public.asked("overpass")) == 3


async def test_weather_that_has_been_is_kept_and_a_forecast_ages(public: FakePublic, ticks: Ticks) -> None:
    async with toolbox(public, ticks) as box:
        for _ in range(3):
            await box.call("get_weather", latitude=1.001, longitude=2, dates=["2026-11-30", "2026-06-01"])
            await box.call("get_weather", latitude=1.002, longitude=2, dates=["2026-11-30", "2026-06-01"])
            ticks.now += 3600

    assert [len(public.asked(service)) for service in ("archive", "forecast")] == [1, 3]


async def test_the_cache_has_a_bound(public: FakePublic, ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tools.public.web_results.MAX_KEPT", 2)
    async with toolbox(public, ticks) as box:
        public.pages = [{"url": "https://a.example/", "title": "A"}]
        for query in ("a", "b", "c", "c", "b", "a"):
            await box.call("web_search", query=query)

    assert [seen.query["q"] for seen in public.seen] == ["a", "b", "c", "a"]


async def test_a_service_that_had_enough_is_left_alone(public: FakePublic, ticks: Ticks) -> None:
    public.trouble["searxng"] = answers(status=429, Retry_After="120")
    async with toolbox(public, ticks) as box:
        first = await box.call("web_search", query="a")
        public.trouble = {}
        ticks.now += 119
        second = await box.call("web_search", query="b")
        ticks.now += 1
        third = await box.call("web_search", query="c")

    assert [(result.failed, result.retryable) for result in (first, second)] == [(True, False)] * 2
    assert not third.failed
    assert [seen.query["q"] for seen in public.seen] == ["a", "c"]


@pytest.mark.usefixtures("_towns")
async def test_who_waits_for_a_service_that_had_enough_is_told_at_once(public: FakePublic, ticks: Ticks) -> None:
    public.trouble["nominatim"] = answers(status=429)
    async with toolbox(public, ticks) as box:
        results = await asyncio.gather(*(box.call("search_places", location=town) for town in TOWNS))

    assert [(result.failed, result.retryable) for result in results] == [(True, False)] * 4
    assert (len(public.seen), ticks.slept) == (1, [])


@pytest.mark.parametrize(("said", "rests"), [(None, REST_S), (5.0, REST_S), (60.0, 60.0), (1e9, LONGEST_REST_S)])
async def test_a_rest_has_bounds(ticks: Ticks, said: float | None, rests: float) -> None:
    clock = ticks.clock
    pace = Pace(slots=1, waiting=1, interval_s=0, monotonic=clock.monotonic, sleep=clock.sleep)
    pace.rest(said)
    ticks.now += rests - 0.01
    with pytest.raises(Resting):
        async with pace.turn(1):
            pass
    ticks.now += 0.01
    async with pace.turn(1):
        pass


async def test_the_queue_has_a_bound_and_a_deadline(ticks: Ticks) -> None:
    clock = ticks.clock
    pace = Pace(slots=1, waiting=1, interval_s=0, monotonic=clock.monotonic, sleep=clock.sleep)

    async def come(within_s: float) -> None:
        async with pace.turn(within_s):
            pass

    async with pace.turn(1):
        waiting = asyncio.create_task(come(5))
        await asyncio.sleep(0)
        with pytest.raises(Crowded):
            await come(5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        with pytest.raises(Crowded):
            await come(0.01)
    await come(0.01)


async def test_who_is_too_late_is_told_that_many_ask(public: FakePublic) -> None:
    begun = asyncio.Event()
    public.trouble["nominatim"] = hangs(begun)
    async with toolbox(public) as box, asyncio.TaskGroup() as group:
        calls = [
            group.create_task(box.call("search_places", location=f"x{number}", seconds=0.3)) for number in range(30)
        ]
        await begun.wait()
        results = [await call for call in calls]

    # One is under way, twenty wait, and nine are refused at once.
    crowded = [result for result in results if "many people" in result.value["error"]]
    assert len(crowded) == 9
    assert all(result.retryable for result in crowded)


async def test_a_caller_who_goes_away_takes_no_turn_with_them(ticks: Ticks) -> None:
    held = asyncio.Event()

    async def sleep(seconds: float) -> None:
        del seconds
        held.set()
        await asyncio.Event().wait()

    pace = Pace(slots=1, waiting=5, interval_s=1, monotonic=lambda: ticks.now, sleep=sleep)
    async with pace.turn(1):
        pass

    async def come() -> None:
        async with pace.turn(1):
            pass

    gone = asyncio.create_task(come())
    await held.wait()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    ticks.now += 2
    async with pace.turn(0.1):
        pass


async def test_closing_ends_what_is_under_way(public: FakePublic) -> None:
    begun = asyncio.Event()
    public.trouble["searxng"] = hangs(begun)
    async with toolbox(public) as box:
        call = asyncio.create_task(box.call("web_search", query="x"))
        await begun.wait()

    with pytest.raises(ToolUnavailable) as ended:
        await call
    assert isinstance(ended.value.__context__, CacheClosed)
