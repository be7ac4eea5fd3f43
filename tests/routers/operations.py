"""Every operation that the API's own document names, so that a new route cannot be forgotten."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

from app.db.models import Message
from app.runs.clock import utc_now
from tests.routers.gateway import API_KEY, Gateway

OPEN = ("/health/",)
"""What needs no caller."""
EXAMPLE: Final = "x" * 20
"""Any text."""
NOT_OWNED = frozenset({"provider_id"})
"""Ids in paths that belong to nobody."""
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Operation:
    """One method on one path; `body` is the smallest valid one, None where it takes none."""

    method: str
    path: str
    ids: frozenset[str]
    body: Any = field(hash=False)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def owned(self) -> frozenset[str]:
        return self.ids - NOT_OWNED

    async def call(self, http: httpx.AsyncClient, ids: dict[str, str], **headers: str) -> httpx.Response:
        path = self.path.format_map({"provider_id": "local"} | ids)
        return await http.request(self.method, path, json=self.body, headers=headers)


def operations(document: dict[str, Any]) -> list[Operation]:
    """Give the operations of an OpenAPI document that need a caller."""
    return [
        Operation(method.upper(), path, frozenset(_ids(operation)), _body(document, operation))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if not path.startswith(OPEN)
    ]


async def make_ids(gateway: Gateway, http: httpx.AsyncClient) -> dict[str, str]:
    """Make one of everything that has an id, for the caller of `http`."""
    conversation = (await http.post("/api/chat/conversations/", json={})).json()["id"]
    answer = await http.post(f"/api/chat/conversations/{conversation}/send_message/", json={"message": "Mine"})
    key = await http.post("/api/integrations/api-keys/", json={"provider": "openai", "api_key": API_KEY})
    chosen = await http.post("/api/integrations/ai-settings/", json={"preferred_provider": "local"})
    assert gateway.services.hub.count == 0
    await _add_result(gateway, UUID(conversation), UUID(answer.headers["x-run-id"]))
    return {
        "conversation_id": conversation,
        "run_id": answer.headers["x-run-id"],
        "message_id": _first_event(answer)["user_message_id"],
        "credential_id": key.json()["id"],
        "settings_id": chosen.json()["id"],
    }


async def _add_result(gateway: Gateway, conversation_id: UUID, run_id: UUID) -> None:
    """Add a call whose result is the one that the example sends: the same again is served."""
    call = {
        "role": "tool",
        "content": json.dumps(EXAMPLE),
        "tool_call_id": EXAMPLE,
        "name": "noop",
        "status": "completed",
    }
    place = {"conversation_id": conversation_id, "run_id": run_id, "seq": 90, "created_at": utc_now()}
    async with gateway.services.database.write() as session:
        session.add(Message(id=uuid4(), **place, **call))


async def everything_of(http: httpx.AsyncClient, ids: dict[str, str]) -> list[Any]:
    """Read all that the caller of `http` has."""
    paths = (
        "/api/chat/conversations/",
        f"/api/chat/conversations/{ids['conversation_id']}/",
        f"/api/chat/runs/{ids['run_id']}/",
        "/api/integrations/api-keys/",
        "/api/integrations/ai-settings/",
    )
    return [(await http.get(path)).json() for path in paths]


def _first_event(answer: httpx.Response) -> dict[str, Any]:
    first: dict[str, Any] = json.loads(answer.text.partition("data: ")[2].partition("\n")[0])
    return first


def _ids(operation: dict[str, Any]) -> Iterator[str]:
    yield from (given["name"] for given in operation.get("parameters", ()) if given["in"] == "path")


def _body(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    return _example(document, content["application/json"]["schema"]) if content else None


def _example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Give a small valid value."""
    if "$ref" in schema:
        return _example(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return _example(document, schema["anyOf"][0])
    if schema.get("type") == "object":
        required: list[str] = schema.get("required", [])
        others = [name for name in schema.get("properties", ()) if name not in required]
        wanted = required + others[: max(0, schema.get("minProperties", 0) - len(required))]
        return {name: _example(document, schema["properties"][name]) for name in wanted}
    if schema.get("type") == "array":
        return [_example(document, schema["items"])]
    assert schema.get("type", "string") == "string", f"no example for {schema}"
    texts = {"uuid": "00000000-0000-4000-8000-00000000000a", "date": "2027-03-11"}
    plain = schema.get("enum", [EXAMPLE.ljust(schema.get("minLength", 0), "x")])[0]
    return texts.get(schema.get("format", ""), plain)
