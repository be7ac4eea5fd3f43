"""What holds for every route."""

import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import httpx
import pytest
from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.responses import StreamingResponse

from app.deps import chat_caller, settings_caller
from app.errors import ConfigError, all_errors
from app.main import create_app
from tests.routers.gateway import API_KEY, TOKENS, Gateway, assert_error, open_gateway, settings
from tests.runs.scripted import ScriptedClient
from tests.server import running

KEYS = "/api/integrations/api-keys/"
LIST = "/api/chat/conversations"


def _dependencies(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _dependencies(inner)


def _routes(database_url: str) -> list[RouteContext]:
    app = create_app(settings(database_url), client=ScriptedClient())
    return [route for route in iter_route_contexts(app.routes) if route.path is not None]


def test_every_api_route_asks_who_is_calling(database_url: str) -> None:
    routes = [route for route in _routes(database_url) if str(route.path).startswith("/api")]

    assert len(routes) >= 15
    assert [
        route.path for route in routes if not {chat_caller, settings_caller} & {*_dependencies(route.dependant)}
    ] == []
    assert all(str(route.path).endswith("/") for route in routes)


async def test_nobody_gets_anywhere(gateway: Gateway) -> None:
    paths = (await gateway.nobody.get("/openapi.json")).json()["paths"]
    carriers = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer ' OR 1=1--"},
        {"Authorization": f"Bearer {TOKENS['ada'][:-1]}"},
        {"Authorization": f"Bearer {TOKENS['ada']}x"},
        {"Authorization": f"Basic {TOKENS['ada']}"},
        {"Authorization": TOKENS["ada"]},
        {"X-Api-Key": TOKENS["ada"], "X-User-Id": "ada", "X-Forwarded-User": "ada", "Cookie": f"token={TOKENS['ada']}"},
    ]
    asked = 0
    for path, operations in paths.items():
        for method in operations if path.startswith("/api") else ():
            for headers in carriers:
                response = await gateway.nobody.request(method.upper(), re.sub(r"\{\w+\}", "x", path), headers=headers)
                assert_error(response, 401, "not_authenticated")
                assert response.headers["www-authenticate"] == "Bearer"
                asked += 1
    assert asked >= 15 * len(carriers)
    twice = [("Authorization", f"Bearer {TOKENS['ada']}"), ("Authorization", f"Bearer {TOKENS['bob']}")]
    assert_error(await gateway.nobody.get(LIST, headers=twice), 400, "validation_error")
    scheme = {"Authorization": f"bearer  {TOKENS['ada']}"}
    assert (await gateway.nobody.get(LIST, headers=scheme)).status_code == 200


async def test_both_forms_of_an_address_answer_without_redirect(gateway: Gateway) -> None:
    id_ = await gateway.new_conversation()

    for path in (LIST, f"{LIST}/{id_}", "/api/chat/providers", "/api/integrations/api-keys"):
        bare = await gateway.http.get(path, params={"format": "json"})
        slashed = await gateway.http.get(f"{path}/")
        assert (bare.status_code, bare.content) == (200, slashed.content)
        assert bare.history == []
    assert (await gateway.http.post(LIST, json={})).status_code == 201
    sent = await gateway.http.post(f"{LIST}/{id_}/send_message", json={"message": "Hi"})
    assert sent.content.endswith(b"data: [DONE]\n\n")
    assert_error(await gateway.http.get(f"{LIST}//"), 404, "not_found")


async def test_every_answer_has_a_request_id(gateway: Gateway) -> None:
    answers = [
        await gateway.http.get(LIST),
        await gateway.http.get("/nowhere"),
        await gateway.http.request("TRACE", LIST),
        await gateway.http.delete(LIST),
        await gateway.http.post(LIST, content=b"x" * 1_000_001, headers={"Content-Type": "application/json"}),
        await gateway.http.post(LIST, content=b"{", headers={"Content-Type": "application/json"}),
        await gateway.nobody.get(LIST),
        await gateway.nobody.get("/health/live"),
        await gateway.nobody.get("/docs"),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 405, 405, 413, 400, 401, 200, 200]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)

    for given, kept in (("trace-1.a_B", True), ("x" * 65, False), ("a b", False), ("ä", False), ("", False)):
        headers = {"X-Request-Id": given.encode()}
        answer = await gateway.http.get("/nowhere", headers=headers)  # pyright: ignore[reportArgumentType]  # bytes are no ASCII str
        assert (answer.headers["x-request-id"] == given) == kept
        assert_error(answer, 404, "not_found")


async def test_a_wrong_method_hears_all_that_work(gateway: Gateway) -> None:
    response = await gateway.http.request("PURGE", f"{LIST}/x")

    assert_error(response, 405, "validation_error")
    assert response.headers["allow"] == "DELETE, GET, PATCH, PUT"


async def test_a_bug_is_a_typed_500_and_the_connection_stays(
    database_url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    router = APIRouter()

    @router.get("/api/bug/")
    async def bug() -> None:
        raise KeyError("a detail that is nobody's business")  # noqa: TRY003, EM101 - a bug as they come

    @router.get("/api/half/")
    async def half() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise KeyError

        return StreamingResponse(body())

    app = create_app(settings(database_url), client=ScriptedClient())
    app.include_router(router)
    async with running(app) as base_url, httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
        for _ in range(2):
            response = await http.get("/api/bug", headers={"X-Request-Id": "bug-1"})
            assert_error(response, 500, "internal_error")
            assert "business" not in response.text
            assert "connection" not in response.headers
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/api/half")
        assert (await http.get("/health/live")).status_code == 200

    logged = "".join(capfd.readouterr())
    assert logged.count("bug-1") >= 2
    assert "KeyError" in logged
    assert "test_application.py" in logged
    assert "business" not in logged
    assert [record.message for record in caplog.records if record.name == "uvicorn.error" and record.exc_info] == []


async def test_dev_mode_answers_this_machine_only(database_url: str) -> None:
    async with open_gateway(database_url, dev=True, auth_tokens=None) as gateway:
        http = gateway.nobody
        assert (await http.post(LIST, json={})).status_code == 201
        here = [
            {"Host": "localhost:8000"},
            {"Host": "[::1]"},
            {"Origin": "http://localhost:3000"},
            {"Origin": "http://127.0.0.1:5173", "Sec-Fetch-Site": "same-site"},
            {"Origin": "https://[::1]:8443", "Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
        ]
        elsewhere = [
            {"Host": "evil.example"},
            {"Host": "127.0.0.1.evil.example"},
            {"Host": "localhost@evil.example"},
            {"Host": "192.168.0.7:8000"},
            {"Host": ""},
            {"Origin": "null"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://localhost.evil.example"},
            {"Origin": "http://localhost:3000/"},
            {"Origin": "file://localhost"},
            {"Sec-Fetch-Site": "cross-site"},
        ]
        for headers in here:
            assert (await http.get(LIST, headers=headers)).status_code == 200, headers
        before = gateway.rows()
        for headers in elsewhere:
            assert_error(await http.get(LIST, headers=headers), 403, "forbidden")
            assert_error(await http.post(LIST, json={}, headers=headers), 403, "forbidden")
            assert_error(await http.get("/health/live", headers=headers), 403, "forbidden")
        assert gateway.rows() == before


async def test_dev_mode_needs_no_token_and_takes_none(database_url: str) -> None:
    async with open_gateway(database_url, dev=True) as gateway:
        id_ = await gateway.new_conversation()

        assert [line["id"] for line in (await gateway.bob.get(LIST)).json()] == [id_]
        assert [line["id"] for line in (await gateway.nobody.get(LIST)).json()] == [id_]


async def test_the_api_describes_its_errors(gateway: Gateway) -> None:
    described = (await gateway.nobody.get("/openapi.json")).json()

    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert all("default" in operation["responses"] for operation in operations)
    assert "HTTPValidationError" not in described["components"]["schemas"]
    codes = {error.code for error in all_errors()}
    sent = described["paths"]["/api/chat/conversations/{conversation_id}/send_message/"]["post"]["responses"]
    assert list(sent["200"]["content"]) == ["text/event-stream"]
    named = {code for answer in sent.values() for code in re.findall(r"[a-z_]+_[a-z_]+", answer["description"])}
    assert {"conversation_busy", "missing_credential", "validation_error", "not_authenticated"} <= named <= codes


def test_a_provider_that_does_not_exist_stops_the_start(database_url: str) -> None:
    with pytest.raises(ConfigError, match="VOYAGE_AI_PROVIDER"):
        create_app(settings(database_url, voyage_ai_provider="lokal"))


async def test_without_a_master_key_all_but_the_keys_works(database_url: str) -> None:
    async with open_gateway(database_url) as gateway:
        stored = await gateway.http.post(KEYS, json={"provider": "local", "api_key": API_KEY})
    async with open_gateway(database_url, credential_keys=None) as gateway:
        path = f"{KEYS}{stored.json()['id']}/"
        for method, asked in (("GET", KEYS), ("POST", KEYS), ("GET", path), ("DELETE", path)):
            for http in (gateway.http, gateway.nobody):
                body = assert_error(await http.request(method, asked), 503, "key_storage_not_configured")
                assert body["detail"].startswith("FIELD_ENCRYPTION_KEY is not configured.")
        id_ = await gateway.new_conversation()
        assert_error(await gateway.send(id_), 409, "credential_unreadable")
        assert (await gateway.bob.get("/api/chat/providers/")).status_code == 200
        ready = (await gateway.nobody.get("/health/ready")).json()
        assert (ready["status"], ready["unreadable_credentials"]) == ("degraded", 1)


async def test_what_the_last_process_left_running_is_interrupted(database_url: str) -> None:
    async with open_gateway(database_url) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_)
    _mark_running(database_url)

    async with open_gateway(database_url) as gateway:
        messages = (await gateway.http.get(f"{LIST}/{id_}")).json()["messages"]
        assert messages[1]["status"] == "interrupted"
        assert messages[1]["error"]["error_category"] == "interrupted"
        assert messages[1]["text"] == "Lisbon is lovely "
        assert messages[1]["content"].startswith("Lisbon is lovely \n\n⚠ The gateway was restarted")
        assert (await gateway.tell(id_)).bubble == "Lisbon is lovely "


def _mark_running(database_url: str) -> None:
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE runs SET status = 'running'")
        connection.execute("UPDATE messages SET status = 'running' WHERE role = 'assistant'")
        connection.commit()


async def test_no_cache_keeps_what_one_person_is_told(gateway: Gateway) -> None:
    for path in (LIST, KEYS, "/api/integrations/ai-settings/", "/api/chat/providers/"):
        assert (await gateway.http.get(path)).headers["cache-control"] == "no-store"
