"""An ordinary message takes a way of its own into its route; nobody can tell by an answer which way was taken."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from app.main import create_app
from app.quick_send import QuickSend
from app.routers import runs
from tests.routers.gateway import TOKENS, UNKNOWN_ID, Gateway, settings
from tests.runs.scripted import ScriptedClient, words
from tests.server import running
from tests.stream_check import checked_client

ADA = {"Authorization": f"Bearer {TOKENS['ada']}"}
MESSAGE = {"message": "Where to?"}
SAME_FOR_NO_TWO = {"x-request-id", "x-run-id", "x-message-id", "date", "retry-after"}
ODD: list[tuple[str, dict[str, Any]]] = [
    *((text, {"content": text, "headers": {"content-type": "application/json"}}) for text in ("[]", "7", '"Hi"', "{}")),
    ("nothing", {}),
    ("null", {"content": b"null", "headers": {"content-type": "application/json"}}),
    ("no type", {"content": b'{"message": "Hi"}'}),
    ("broken", {"content": b"{", "headers": {"content-type": "application/json"}}),
    (
        "with a charset",
        {"content": b'{"message": " "}', "headers": {"content-type": "application/json; charset=utf-8"}},
    ),
    *(
        (f"{name}={value}", {"json": MESSAGE | {name: value}})
        for name, value in (
            ("provider", 7),
            ("model", "a b"),
            ("provider", "nobody"),
            ("collection_id", "trip"),
            ("api_key", "sk-odd"),
            ("tool_choice", "required"),
            ("on_conflict", "push"),
            ("client_message_id", "a b"),
            ("parent_id", UNKNOWN_ID),
        )
    ),
    ("a key that is none", {"json": MESSAGE, "headers": {"Idempotency-Key": "a b"}}),
    ("an empty key", {"json": MESSAGE, "headers": {"Idempotency-Key": ""}}),
    ("two keys", {"json": MESSAGE | {"client_message_id": "a"}, "headers": {"Idempotency-Key": "b"}}),
    ("nobody", {"json": MESSAGE, "headers": {"Authorization": ""}}),
    ("nobody, odd body", {"json": [], "headers": {"Authorization": ""}}),
    ("a wrong token", {"json": MESSAGE, "headers": {"Authorization": "Bearer wrong"}}),
]
PLACES = [UNKNOWN_ID, UNKNOWN_ID.replace("-", ""), f"{{{UNKNOWN_ID}}}", UNKNOWN_ID.upper(), "here", "%20", "a%2Fb"]


@pytest.fixture
async def http(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that has the route a second time, below `/declared`, as the framework makes it."""
    app = create_app(settings(database_url), client=ScriptedClient(words("Lisbon")))
    path = "/declared/conversations/{conversation_id}/send_message/"
    app.add_api_route(path, runs.send_message, methods=["POST"])
    async with running(app) as base_url:
        client = checked_client(base_url, ADA)
        yield client
        await client.aclose()


async def _both(http: httpx.AsyncClient, place: str, asked: dict[str, Any]) -> list[tuple[int, Any, dict[str, str]]]:
    """Ask both ways; give status, body and headers of each, without what no two answers share."""
    found: list[tuple[int, Any, dict[str, str]]] = []
    for root in ("/api/chat", "/declared"):
        response = await http.post(f"{root}/conversations/{place}/send_message/", **asked)
        assert response.status_code >= 400
        body = json.loads(response.text.replace(response.headers["x-request-id"], "ID"))
        headers = {name: value for name, value in response.headers.items() if name not in SAME_FOR_NO_TWO}
        found.append((response.status_code, body, headers))
    return found


async def test_what_is_odd_is_answered_as_the_framework_answers_it(http: httpx.AsyncClient) -> None:
    created = await http.post("/api/chat/conversations/", json={})
    place = created.json()["id"]
    for name, asked in ODD:
        quick, declared = await _both(http, place if "key" in name or "=" in name else UNKNOWN_ID, asked)
        assert quick == declared, name
    for elsewhere in PLACES:
        quick, declared = await _both(http, elsewhere, {"json": MESSAGE})
        assert quick == declared, elsewhere


async def test_an_ordinary_message_takes_the_quick_way_and_an_odd_one_does_not(gateway: Gateway) -> None:
    handle = QuickSend("/{conversation_id}", runs.send_message, methods=["POST"]).get_route_handler()
    place = await gateway.new_conversation()

    def request(body: bytes) -> Request:
        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        headers = [(b"authorization", f"Bearer {TOKENS['ada']}".encode()), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": headers,
            "query_string": b"",
            "path_params": {"conversation_id": place},
            "state": {"request_id": "r"},
            "app": SimpleNamespace(state=SimpleNamespace(services=gateway.services)),
        }
        return Request(scope, receive)

    response = await handle(request(b'{"message": "Where to?"}'))
    assert response.status_code == 200
    assert response.headers["x-run-id"]
    # Outside of the application the framework's own way cannot be gone.
    with pytest.raises(AssertionError, match="fastapi"):
        await handle(request(b'{"message": 7}'))
