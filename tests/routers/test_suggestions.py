"""Places for a day over HTTP: what a signed-in person of Voyage gets, and every way in which it is refused."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.errors import AuthenticationFailed, ProviderUnavailable
from app.events import FinishReason
from app.providers.model import Finish, TextDelta, ToolCallPiece
from tests.routers.gateway import TOKENS, UNKNOWN_ID, Gateway, assert_error, open_gateway
from tests.runs.desk import until
from tests.runs.scripted import STOP, Pause, Step
from tests.stream_check import checked_client
from tests.voyage.fake import FakeVoyage, Trouble

PATH = "/api/chat/suggestions/day/"
ORIGIN = "http://localhost:8015"
CSRF = "c" * 64
PLACE = {
    "name": "Time Out Market",
    "location": "Cais do Sodré, Lisbon",
    "description": "A hall of kitchens.",
    "why_fits": "Everybody finds something.",
    "category": "food hall",
    "price_level": "$$",
}
BARE = {"name": "Ramiro", "location": "Intendente, Lisbon"}
ANSWER = json.dumps({"suggestions": [PLACE, BARE]})


def called(arguments: str = ANSWER, finish: FinishReason = FinishReason.TOOL_CALLS) -> list[Step]:
    return [ToolCallPiece(0, "call_1", "suggest_places", arguments), Finish(finish)]


@dataclass(frozen=True)
class Visit:
    """A person who is signed in to Voyage, at the gateway; one trip is theirs."""

    gateway: Gateway
    voyage: FakeVoyage
    http: httpx.AsyncClient
    trip: str

    async def ask(self, path: str = PATH, **fields: Any) -> httpx.Response:
        body = {"collection_id": self.trip, "date": "2027-03-11", "category": "restaurant", **fields}
        return await self.http.post(path, json={name: value for name, value in body.items() if value is not ...})

    @property
    def prompt(self) -> str:
        return self.gateway.model.requests[-1].messages[-1].content


@asynccontextmanager
async def visiting(database_url: str, *scripts: list[Step], **changes: Any) -> AsyncGenerator[Visit]:
    async with FakeVoyage() as voyage:
        given = {"auth_methods": "voyage_session,static_tokens", "voyage_url": voyage.base_url} | changes
        trip = voyage.add_trip(7, name="Lisbon Week")
        headers = {"Cookie": f"sessionid={voyage.sign_in(7)}; csrftoken={CSRF}", "X-CSRFToken": CSRF, "Origin": ORIGIN}
        async with open_gateway(database_url, *(scripts or (called(),)), trusted_origins=ORIGIN, **given) as gateway:
            base_url = str(gateway.http.base_url)
            async with checked_client(base_url, headers) as http:
                yield Visit(gateway, voyage, http, trip)


@pytest.fixture
async def visit(sqlite_url: str) -> AsyncGenerator[Visit]:
    async with visiting(sqlite_url) as opened:
        yield opened


async def test_the_places_come_in_the_shape_that_the_frontend_reads_and_nothing_is_stored(database_url: str) -> None:
    async with visiting(database_url) as visit:
        with_slash, without = await visit.ask(), await visit.ask(PATH.rstrip("/"), filters={}, location_context="")
        conversations = await visit.http.get("/api/chat/conversations/")

    for answer in (with_slash, without):
        assert (answer.status_code, answer.json()) == (200, {"suggestions": [PLACE, BARE]})
    assert conversations.json() == []


async def test_the_model_is_told_what_the_frontend_sends(visit: Visit) -> None:
    filters: dict[str, Any] = {
        "cuisine_type": "sushi",
        "amenities": ["wifi", " ", "pool"],
        "time_preference": "evening",
        "new": {},
    }
    answer = await visit.ask(
        filters={**filters, "dietary": None, "price_range": ""}, location_context="Alfama", model="local-2"
    )

    assert answer.status_code == 200, answer.text
    lines = visit.prompt.split("\n")
    assert {"Trip: Lisbon Week", "Cuisine type: sushi", "Amenities: wifi, pool", "Where on that day: Alfama"} <= {
        *lines
    }
    assert "Time preference: evening" in lines
    assert not any(line.startswith(("Dietary", "Price", "New")) for line in lines)
    assert visit.gateway.model.requests[-1].route.model == "local-2"


async def test_the_models_own_empty_list_is_one(sqlite_url: str) -> None:
    async with visiting(sqlite_url, called('{"suggestions": []}')) as visit:
        answer = await visit.ask()
    assert (answer.status_code, answer.json()) == (200, {"suggestions": []})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"collection_id": ...}, "collection_id"),
    ({"collection_id": "7"}, "collection_id"),
    ({"collection_id": None}, "collection_id"),
    ({"date": ...}, "date"),
    *(
        ({"date": value}, "date")
        for value in ("", "2027-02-30", "11.03.2027", "2027-03-11T00:00", "20270311", "٢٠٢٧-٠٣-١١", 7, None)
    ),
    ({"category": ...}, "category"),
    ({"category": "Restaurant"}, "category"),
    ({"category": None}, "category"),
    ({"filters": []}, "filters"),
    ({"filters": {"dietary": 7}}, "filters.dietary"),
    ({"filters": {"amenities": ["wifi", 7]}}, "filters.amenities"),
    ({"filters": {"amenities": ["wifi"] * 21}}, "filters.amenities"),
    ({"filters": {"cuisine_type": "x" * 201}}, "filters.cuisine_type"),
    ({"location_context": "x" * 1001}, "location_context"),
    ({"location_context": 7}, "location_context"),
    ({"model": "x" * 201}, "model"),
    ({"provider": {}}, "provider"),
    ({"categroy": "event"}, "categroy"),
]


async def test_a_wrong_body_is_told_by_its_field_before_voyage_is_asked(visit: Visit) -> None:
    for fields, named in WRONG:
        body = assert_error(await visit.ask(**fields), 400, "validation_error")
        assert [named] == list(body["error_detail"]["fields"]), fields

    assert visit.voyage.count(f"/api/collections/{visit.trip}/") == 0
    assert visit.gateway.model.requests == []


async def test_who_may_not_read_the_trip(visit: Visit) -> None:
    public = visit.voyage.add_trip(8, public=True)
    body = {"collection_id": visit.trip, "date": "2027-03-11", "category": "event"}
    by_token = {"Authorization": f"Bearer {TOKENS['ada']}"}

    assert_error(await visit.ask(collection_id=UNKNOWN_ID), 404, "not_found")
    assert_error(await visit.ask(collection_id=public), 404, "not_found")
    assert_error(await visit.gateway.nobody.post(PATH, json=body), 401, "not_authenticated")
    refused = assert_error(await visit.gateway.nobody.post(PATH, json=body, headers=by_token), 403, "forbidden")
    assert "session at Voyage" in refused["error"]
    del visit.http.headers["X-CSRFToken"]
    assert_error(await visit.ask(), 403, "forbidden")
    assert visit.gateway.model.requests == []


async def test_without_a_voyage_no_trip_can_be_read(sqlite_url: str) -> None:
    body = {"collection_id": UNKNOWN_ID, "date": "2027-03-11", "category": "event"}
    async with open_gateway(sqlite_url) as gateway:
        assert_error(await gateway.http.post(PATH, json=body), 403, "forbidden")


async def test_voyage_away_is_503_with_a_time_to_come_back(visit: Visit) -> None:
    for trouble, seconds in ((Trouble.throttled(40, path="/api/"), "40"), (Trouble.cut(path="/api/"), "5")):
        visit.voyage.trouble = trouble
        answer = await visit.ask()
        assert_error(answer, 503, "voyage_unavailable")
        assert answer.headers["retry-after"] == seconds


FAILURES: list[tuple[list[Step], int, str]] = [
    (called(finish=FinishReason.LENGTH), 502, "invalid_provider_response"),
    ([TextDelta("No idea."), STOP], 502, "invalid_provider_response"),
    (called(finish=FinishReason.CONTENT_FILTER), 422, "content_filtered"),
    ([TextDelta("{")], 502, "stream_interrupted"),
    ([AuthenticationFailed()], 424, "authentication_failed"),
    ([ProviderUnavailable()], 503, "provider_unavailable"),
    ([ValueError("a bug")], 500, "internal_error"),
]


async def test_the_models_failures_have_their_status(sqlite_url: str) -> None:
    async with visiting(sqlite_url, *(script for script, _, _ in FAILURES), max_attempts=1) as visit:
        for _, status, code in FAILURES:
            assert_error(await visit.ask(), status, code)


async def test_provider_and_key_are_those_of_a_message(visit: Visit) -> None:
    assert_error(await visit.ask(provider="nowhere"), 400, "provider_not_available")
    assert_error(await visit.ask(provider="openai", model="gpt-x"), 409, "missing_credential")
    chosen = {"preferred_provider": "local", "preferred_model": "local-2"}
    assert (await visit.http.post("/api/integrations/ai-settings/", json=chosen)).status_code == 200

    assert (await visit.ask()).status_code == 200
    assert [request.route.model for request in visit.gateway.model.requests] == ["local-2"]


async def test_calls_count_against_the_cap(sqlite_url: str) -> None:
    pause = Pause()
    async with visiting(sqlite_url, [pause, *called()], max_runs=1) as visit:
        first = asyncio.create_task(visit.ask())
        await pause.reached.wait()
        answer = await visit.ask()
        assert_error(answer, 429, "too_many_runs")
        assert answer.headers["retry-after"]
        pause.release.set()
        assert (await first).status_code == 200


async def test_one_persons_hanging_trips_keep_nobody_from_signing_in(sqlite_url: str) -> None:
    async with visiting(sqlite_url, voyage_seconds=60) as visit:
        visit.voyage.trouble = Trouble.hang(path="/api/")
        asking = [asyncio.create_task(visit.ask()) for _ in range(30)]
        await until(lambda: sum(one.done() for one in asking) == 10)
        for one in asking:
            assert not one.done() or assert_error(one.result(), 429, "too_many_runs")

        async with asyncio.timeout(2):
            cookie = {"Cookie": f"sessionid={visit.voyage.sign_in(8)}"}
            listed = await visit.gateway.nobody.get("/api/chat/conversations/", headers=cookie)

        assert (listed.status_code, listed.json()) == (200, [])
        for one in asking:
            one.cancel()
        await asyncio.wait(asking)
        await until(lambda: visit.gateway.services.hub.count == 0)


async def test_a_shutdown_answers_whoever_waits(sqlite_url: str) -> None:
    pause = Pause()
    async with visiting(sqlite_url, [pause]) as visit:
        waiting = asyncio.create_task(visit.ask())
        await pause.reached.wait()
        visit.gateway.services.begin_shutdown()
        assert_error(await visit.ask(), 503, "server_shutdown")
        assert_error(await waiting, 503, "interrupted")
        assert visit.gateway.model.open == 0


async def test_leaving_closes_the_call_of_the_model(sqlite_url: str) -> None:
    pause = Pause()
    async with visiting(sqlite_url, [pause]) as visit:
        waiting = asyncio.create_task(visit.ask())
        await pause.reached.wait()
        waiting.cancel()
        await asyncio.wait({waiting})
        await until(lambda: visit.gateway.model.open == 0 and visit.gateway.services.hub.count == 0)
