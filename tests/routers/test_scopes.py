"""What a service token may do, for whom, and how it must come; made from the API's own document."""

import base64
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.auth.caller import PERSON, Scope
from app.deps import chat_caller, settings_caller
from app.main import create_app
from app.runs.clock import utc_now
from app.tokens import create_token, revoke_token
from tests.routers.drop_in import ADA, DropIn, open_drop_in
from tests.routers.gateway import UNKNOWN_ID, assert_error, settings
from tests.routers.operations import Operation, everything_of, make_ids, operations
from tests.runs.scripted import ScriptedClient
from tests.stream_check import checked_client

APP = create_app(settings("sqlite:///nowhere.db"), client=ScriptedClient())
DOCUMENT: dict[str, Any] = APP.openapi()
ALL = sorted(operations(DOCUMENT), key=lambda operation: operation.method == "DELETE")
OWNED = [operation for operation in ALL if operation.owned]
OPEN = {"/health/live", "/health/ready", "/docs", "/docs/oauth2-redirect", "/openapi.json"}
BELOW = {"/api/chat/": Scope.CHAT, "/api/integrations/": Scope.SETTINGS}
NEEDS_A_SESSION = "/api/chat/suggestions/day/"
"""Reads the trip as the caller, which no token can."""
OWNER: Final = "service:planner"
EVERY_WAY = "voyage_session,service_tokens,static_tokens"


def needed(path: str) -> Scope:
    return next(scope for prefix, scope in BELOW.items() if path.startswith(prefix))


@dataclass(frozen=True)
class Desk:
    """Makes tokens, and clients that send them."""

    house: DropIn
    stack: AsyncExitStack

    async def token(self, *scopes: Scope, user_id: str = OWNER, now: datetime | None = None, days: int = 1) -> str:
        now = now or utc_now()
        token, _ = await create_token(
            self.house.gateway.services.database,
            name="planner",
            user_id=user_id,
            scopes=frozenset(scopes),
            expires_at=now + timedelta(days=days),
            now=now,
        )
        return token.reveal()

    async def client(self, *scopes: Scope, acting_for: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {await self.token(*scopes)}"}
        headers |= {} if acting_for is None else {"X-On-Behalf-Of": acting_for}
        return await self.stack.enter_async_context(checked_client(self.house.base_url, headers))

    @property
    def rows(self) -> dict[str, int]:
        return self.house.gateway.rows()

    async def ids(self, http: httpx.AsyncClient) -> dict[str, str]:
        return await make_ids(self.house.gateway, http)


@pytest.fixture
async def desk(database_url: str) -> AsyncGenerator[Desk]:
    async with open_drop_in(database_url, auth_methods=EVERY_WAY) as house, AsyncExitStack() as stack:
        yield Desk(house, stack)


def _dependencies(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _dependencies(inner)


def test_every_route_but_the_open_ones_asks_for_the_scope_of_its_surface() -> None:
    described: set[tuple[str, str]] = set()
    for route in iter_route_contexts(APP.routes):
        path = str(route.path)
        if path in OPEN:
            continue
        asked = set(_dependencies(route.dependant)) & {chat_caller, settings_caller}
        assert asked == {chat_caller if needed(path) is Scope.CHAT else settings_caller}, path
        described |= {(method, path) for method in route.methods or ()}
    assert described == {(operation.method, operation.path) for operation in ALL}


async def serves(operation: Operation, client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """Check that the request is served."""
    body = operation.body | {"provider": "openai"} if "api_key" in (operation.body or ()) else operation.body
    answer = await replace(operation, body=body).call(client, ids)
    if operation.path == NEEDS_A_SESSION:
        said = assert_error(answer, 403, "forbidden")
        assert "session at Voyage" in said["detail"]
        return
    assert answer.status_code < 300, (operation.name, answer.text)


async def test_a_token_does_what_its_scopes_say_and_nothing_else(desk: Desk) -> None:
    owner = await desk.client(*PERSON)
    ids = await desk.ids(owner)
    before, rows = await everything_of(owner, ids), desk.rows
    narrow = [await desk.client(scope) for scope in (Scope.CHAT, Scope.SETTINGS)]
    for (scope, client), operation in product(zip((Scope.CHAT, Scope.SETTINGS), narrow, strict=True), ALL):
        if needed(operation.path) is not scope:
            said = assert_error(await operation.call(client, ids), 403, "forbidden")
            assert said["error_detail"]["message"] == f"This token has not the scope {needed(operation.path)}."
            assert f"--scope {needed(operation.path)}" in said["error_detail"]["action"]
    assert desk.rows == rows
    assert await everything_of(owner, ids) == before

    for scopes, client in ((PERSON, owner), ({Scope.CHAT}, narrow[0]), ({Scope.SETTINGS}, narrow[1])):
        for operation in ALL:
            if needed(operation.path) in scopes:
                await serves(operation, client, ids)
                ids |= await desk.ids(owner) if operation.method == "DELETE" else {}


async def test_who_acts_for_another_sees_that_persons_rows_and_no_others(desk: Desk) -> None:
    ada, service = desk.house.gateway.http, await desk.client(*Scope)
    acting = await desk.client(*Scope, acting_for="ada")
    adas, services = await desk.ids(ada), await desk.ids(service)
    before = await everything_of(ada, adas), await everything_of(service, services)
    assert await everything_of(acting, adas) == before[0]

    for operation in OWNED:
        for wanted in operation.owned:
            for client, own, foreign in ((acting, adas, services), (service, services, adas)):
                for given in (foreign[wanted], UNKNOWN_ID):
                    assert_error(await operation.call(client, own | {wanted: given}), 404, "not_found")
    assert (await everything_of(ada, adas), await everything_of(service, services)) == before

    for operation in ALL:
        await serves(operation, acting, adas)
        adas |= await desk.ids(ada) if operation.method == "DELETE" else {}
    assert await everything_of(service, services) == before[1]

    # Whoever signs in to Voyage is named by the number of the account.
    await desk.house.ada.post("/api/chat/conversations/", {"title": "Mine"})
    for name, titles in ((str(ADA), ["Mine"]), (f"0{ADA}", [])):
        listed = (await (await desk.client(*Scope, acting_for=name)).get("/api/chat/conversations/")).json()
        assert [line["title"] for line in listed] == titles


async def test_acting_needs_its_scope_the_other_ones_too_and_one_name(desk: Desk) -> None:
    ada = desk.house.gateway.http
    adas = await desk.ids(ada)
    before, rows = await everything_of(ada, adas), desk.rows
    plain, acting = await desk.client(*PERSON), await desk.client(Scope.CHAT, Scope.ACT_AS)
    for operation in ALL:
        for user_id in ("ada", OWNER, ""):
            said = assert_error(await operation.call(plain, adas, **{"X-On-Behalf-Of": user_id}), 403, "forbidden")
            assert "scope act_as" in said["detail"]
        if needed(operation.path) is Scope.SETTINGS:
            assert_error(await operation.call(acting, adas, **{"X-On-Behalf-Of": "ada"}), 403, "forbidden")
        for name in ("", "x" * 256, "a\tb"):
            said = assert_error(await operation.call(acting, adas, **{"X-On-Behalf-Of": name}), 400, "validation_error")
            assert list(said["error_detail"]["fields"]) == ["X-On-Behalf-Of"]
        for names in (("ada", "bob"), ("ada", "ada"), ("", "ada")):
            twice = httpx.Headers([("X-On-Behalf-Of", name) for name in names])
            path = operation.path.format_map({"provider_id": "local"} | adas)
            answer = await acting.request(operation.method, path, json=operation.body, headers=twice)
            assert "more than once" in assert_error(answer, 400, "validation_error")["detail"]
    assert desk.rows == rows
    assert await everything_of(ada, adas) == before


async def test_a_token_is_one_only_where_it_belongs(desk: Desk) -> None:
    owner = await desk.client(*PERSON)
    ids, nobody = await desk.ids(owner), desk.house.gateway.nobody
    rows, asked = desk.rows, len(desk.house.voyage.requests)
    token = await desk.token(*Scope)
    basic = base64.b64encode(f"{OWNER}:{token}".encode()).decode()
    carriers = [
        {"X-Api-Key": token},
        {"X-Api-Key": f"Bearer {token}"},
        {"Api-Key": token},
        {"X-Goog-Api-Key": token},
        {"X-Auth-Token": token},
        {"X-Session-Token": token},
        {"X-CSRFToken": token},
        {"X-On-Behalf-Of": token},
        {"Proxy-Authorization": f"Bearer {token}"},
        {"Cookie": f"token={token}; Authorization=Bearer {token}"},
        {"Cookie": f"sessionid={token}"},
        {"Authorization": token},
        {"Authorization": f"Basic {token}"},
        {"Authorization": f"Basic {basic}"},
        {"Authorization": f"Token {token}"},
        {"Authorization": f"Bearer Bearer {token}"},
        {"Authorization": f"Bearer, {token}"},
    ]
    query = f"?token={token}&access_token={token}&api_key={token}&key={token}"
    for operation in ALL:
        for carrier in carriers:
            assert_error(await operation.call(nobody, ids, **carrier), 401, "not_authenticated")
        asking = replace(operation, path=operation.path + query)
        assert_error(await asking.call(nobody, ids), 401, "not_authenticated")
    assert desk.rows == rows
    assert len(desk.house.voyage.requests) == asked


async def test_a_token_that_has_ended_is_nobodys_at_once(desk: Desk) -> None:
    owner, nobody = await desk.client(*PERSON), desk.house.gateway.nobody
    ids, revoked = await desk.ids(owner), await desk.token(*Scope)
    expired = await desk.token(*Scope, now=utc_now() - timedelta(days=2))
    before, rows = await everything_of(owner, ids), desk.rows
    assert (await nobody.get("/api/chat/", headers={"Authorization": f"Bearer {revoked}"})).status_code == 200

    await revoke_token(desk.house.gateway.services.database, revoked.split("_")[1], now=utc_now())
    for token, word in ((revoked, "revoked"), (expired, "expired"), (f"{revoked[:-1]}!", "")):
        for operation in ALL:
            for headers in ({}, {"X-On-Behalf-Of": "ada"}):
                answer = await operation.call(nobody, ids, Authorization=f"Bearer {token}", **headers)
                assert word in assert_error(answer, 401, "not_authenticated")["detail"]
    assert desk.rows == rows
    assert await everything_of(owner, ids) == before
