"""Nobody sees or changes what is somebody else's; the matrix is made from the API's own document."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.main import create_app
from app.providers.model import ModelRequest, TextDelta
from tests.routers.drop_in import ADA, BOB, ORIGIN, DropIn, open_drop_in
from tests.routers.gateway import UNKNOWN_ID, Gateway, assert_error, settings
from tests.routers.operations import UNSAFE, everything_of, make_ids, operations
from tests.runs.scripted import STOP, ScriptedClient, Step, words
from tests.stream_check import checked_client
from tests.voyage.csrf_token import mask, new_secret
from tests.voyage.frontend import BROWSER_HEADERS

DOCUMENT: dict[str, Any] = create_app(settings("sqlite:///nowhere.db"), client=ScriptedClient()).openapi()
ALL = operations(DOCUMENT)
OWNED = [operation for operation in ALL if operation.owned]
LIST = "/api/chat/conversations/"
DAY = "/api/chat/suggestions/day/"
NO_PLACES: list[Step] = [TextDelta('{"suggestions": []}'), STOP]


def forged(user_id: str, sessionid: str = "a" * 32) -> dict[str, str]:
    """Everything by which somebody could claim to be that user."""
    return {
        "X-User-Id": user_id,
        "X-Forwarded-User": user_id,
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "localhost",
        "Forwarded": "for=127.0.0.1;host=localhost",
        "X-On-Behalf-Of": user_id,
        "X-Session-Token": sessionid,
        "X-Remote-User": user_id,
        "Remote-User": user_id,
    }


@asynccontextmanager
async def browser(house: DropIn, sessionid: str | None) -> AsyncGenerator[httpx.AsyncClient]:
    """Give a client that sends what the frontend does."""
    token = mask(new_secret())
    headers = {
        **BROWSER_HEADERS,
        "Cookie": f"sessionid={sessionid}; colortheme=dark; csrftoken={token}",
        "X-CSRFToken": token,
        "Origin": ORIGIN,
        "Referer": f"{ORIGIN}/collections/1",
    }
    async with checked_client(house.base_url, headers) as http:
        yield http


def without_request_id(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"error_detail": body["error_detail"] | {"request_id": None}}


def test_the_matrix_knows_every_id_and_every_surface() -> None:
    surfaces = {operation.path.split("/")[2] + "/" + operation.path.split("/")[3] for operation in ALL}

    assert {given for operation in OWNED for given in operation.owned} == {
        "conversation_id",
        "run_id",
        "message_id",
        "credential_id",
        "settings_id",
    }
    assert {"chat/conversations", "chat/runs", "chat/suggestions", "integrations/ai-settings"} <= surfaces
    assert {operation.method for operation in OWNED} >= UNSAFE


async def check_absent(
    gateway: Gateway, owner: httpx.AsyncClient, other: httpx.AsyncClient, claims: dict[str, str]
) -> None:
    """Check that the owner's rows are not there for the other, who claims to be the owner."""
    owners, others = await make_ids(gateway, owner), await make_ids(gateway, other)
    before = await everything_of(owner, owners)
    for operation in OWNED:
        for wanted in operation.owned:
            foreign = await operation.call(other, others | {wanted: owners[wanted]}, **claims)
            absent = await operation.call(other, others | {wanted: UNKNOWN_ID})

            said = without_request_id(assert_error(foreign, 404, "not_found"))

            assert said == without_request_id(assert_error(absent, 404, "not_found")), operation.name
    assert await everything_of(owner, owners) == before
    for path in (LIST, "/api/integrations/api-keys/", "/api/integrations/ai-settings/"):
        listed = (await other.get(path, headers=claims)).json()
        assert [line["id"] for line in listed] == [line["id"] for line in (await other.get(path)).json()]
        assert {line["id"] for line in listed}.isdisjoint(owners.values())


async def test_what_is_somebody_elses_is_as_absent_as_what_never_was(gateway: Gateway) -> None:
    await check_absent(gateway, gateway.http, gateway.bob, forged("ada"))


async def test_so_it_is_between_two_people_who_are_signed_in_to_voyage(database_url: str) -> None:
    async with (
        open_drop_in(database_url) as house,
        browser(house, house.ada.sessionid) as ada,
        browser(house, house.bob.sessionid) as bob,
    ):
        await check_absent(house.gateway, ada, bob, forged(str(ADA), house.ada.sessionid or ""))
        await check_absent(house.gateway, bob, ada, forged(str(BOB), house.bob.sessionid or ""))


async def test_the_owner_is_served_by_each_of_these_routes(database_url: str) -> None:
    """Otherwise the tests above would also pass with routes that serve nobody."""
    async with (
        open_drop_in(database_url, auth_methods="voyage_session,static_tokens") as house,
        browser(house, house.ada.sessionid) as ada,
    ):
        for http in (ada, house.gateway.http):
            ids = await make_ids(house.gateway, http)
            for operation in sorted(OWNED, key=lambda operation: operation.method == "DELETE"):
                response = await operation.call(http, ids)

                assert response.status_code < 300, (operation.name, response.text)
                ids |= await make_ids(house.gateway, http) if operation.method == "DELETE" else {}


async def test_without_a_caller_nothing_is_told_or_written(database_url: str) -> None:
    async with open_drop_in(database_url, auth_methods="voyage_session,service_tokens,static_tokens") as house:
        gateway = house.gateway
        adas = await make_ids(gateway, gateway.http)
        before, rows = await everything_of(gateway.http, adas), gateway.rows()
        for operation in ALL:
            for cookie in ("", "sessionid=" + "a" * 32):
                claims = forged("ada", house.ada.sessionid or "") | {"Cookie": cookie}
                assert_error(await operation.call(gateway.nobody, adas, **claims), 401, "not_authenticated")
            assert gateway.rows() == rows, operation.name
        assert await everything_of(gateway.http, adas) == before


def system_of(request: ModelRequest) -> str:
    assert request.messages[0].role == "system"
    return request.messages[0].content


async def ask(http: httpx.AsyncClient, trip: str, message: str = "Where to?") -> None:
    created = await http.post(LIST, json={})
    path = f"{LIST}{created.json()['id']}/send_message/"
    answer = await http.post(path, json={"message": message, "collection_id": trip})
    assert answer.status_code == 200, answer.text
    assert answer.content.endswith(b"data: [DONE]\n\n")


def add_trip(house: DropIn, owner: int, **options: Any) -> str:
    """Add one of which every text has the owner's number in it."""
    house.voyage.preferences[owner] = {"interests": [f"likes-of-{owner}"], "notes": f"notes-of-{owner}"}
    places = [{"city": {"name": f"city-of-{owner}"}}]
    return house.voyage.add_trip(owner, name=f"trip-of-{owner}", locations=places, **options)


async def test_a_foreign_trip_is_told_as_little_of_as_one_that_never_was(database_url: str) -> None:
    async with (
        open_drop_in(database_url, words("Fine")) as house,
        browser(house, house.ada.sessionid) as ada,
        browser(house, house.bob.sessionid) as bob,
    ):
        trip, public = add_trip(house, ADA), add_trip(house, ADA, public=True)
        for http, asked in ((ada, trip), (bob, trip), (bob, public), (bob, UNKNOWN_ID)):
            await ask(http, asked)
        own, foreign, shown, unknown = map(system_of, house.gateway.model.requests)

    for text in (f"trip-of-{ADA}", f"city-of-{ADA}", f"likes-of-{ADA}", f"notes-of-{ADA}", trip):
        assert text in own
        assert text not in foreign
        assert text not in shown
    assert public not in shown
    assert foreign == shown == unknown


async def test_no_day_is_suggested_for_a_foreign_trip(database_url: str) -> None:
    async with (
        open_drop_in(database_url, NO_PLACES) as house,
        browser(house, house.ada.sessionid) as ada,
        browser(house, house.bob.sessionid) as bob,
    ):
        trip, public = add_trip(house, ADA), add_trip(house, ADA, public=True)
        body = {"date": "2027-03-11", "category": "activity"}
        claims = forged(str(ADA), house.ada.sessionid or "")
        said = [
            without_request_id(
                assert_error(
                    await bob.post(DAY, json=body | {"collection_id": asked}, headers=claims), 404, "not_found"
                )
            )
            for asked in (trip, public, UNKNOWN_ID)
        ]
        assert said[0] == said[1] == said[2]
        assert house.gateway.model.requests == []

        assert (await ada.post(DAY, json=body | {"collection_id": trip})).json() == {"suggestions": []}
        (request,) = house.gateway.model.requests
        assert f"trip-of-{ADA}" in request.messages[-1].content


async def test_no_prompt_has_what_belongs_to_another_under_load(database_url: str) -> None:
    async with (
        open_drop_in(database_url, words("Fine"), session_cache_seconds=0.01, context_seconds=10) as house,
        browser(house, house.ada.sessionid) as ada,
        browser(house, house.bob.sessionid) as bob,
    ):
        trips = {ADA: add_trip(house, ADA), BOB: add_trip(house, BOB)}
        people = ((ada, f"I am {ADA}"), (bob, f"I am {BOB}"))
        asked = [(http, trip, says) for http, says in people for trip in trips.values()] * 6
        await asyncio.gather(*(ask(*one) for one in asked))
        requests = house.gateway.model.requests

    assert len(requests) == 24
    for me, other in ((ADA, BOB), (BOB, ADA)):
        mine = [system_of(request) for request in requests if request.messages[-1].content == f"I am {me}"]
        assert sum(f"trip-of-{me}" in prompt for prompt in mine) == len(mine) / 2 == 6
        for prompt in mine:
            assert f"likes-of-{me}" in prompt
            assert f"-of-{other}" not in prompt
            assert trips[other] not in prompt
