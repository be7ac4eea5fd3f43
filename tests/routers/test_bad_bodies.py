"""Whatever is sent, on every route that takes a body: a typed 4xx that names what is wrong, and nothing happens."""

import json
from typing import Any

import pytest

from tests.routers.gateway import UNKNOWN_ID, Gateway, assert_error
from tests.routers.operations import make_ids

JSON = "application/json"
NO_ARRAY: list[Any] = []
NO_OBJECT: dict[str, Any] = {}
UNREADABLE = [
    (b"Where to?", JSON, 400),
    (b"{", JSON, 400),
    (b'\xef\xbb\xbf{"message": "Hi"}', JSON, 400),
    (b"[]", JSON, 400),
    (b'[{"message": "Hi"}]', JSON, 400),
    (b'"text"', JSON, 400),
    (b"7", JSON, 400),
    (b'{"message": NaN, "title": NaN, "api_key": NaN}', JSON, 400),
    (b'{"message": "\\ud800", "title": "\\ud800", "api_key": "\\ud800"}', JSON, 400),
    (b'{"message": "a\\u0000", "title": "a\\u0000", "api_key": "a\\u0000"}', JSON, 400),
    (b'{"\\u0000": 1}', JSON, 400),
    (b'{"title": "a", "title": "b"}', JSON, 400),
    (b'{"message": "\xff"}', JSON, 400),
    (b'{"title": ' + b"9" * 5000 + b"}", JSON, 400),
    (b"[" * 10_000 + b"]" * 10_000, JSON, 400),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, JSON, 400),
    (b"[" + b"1," * 20_000 + b"1]", JSON, 400),
    (json.dumps({"message": "x" * 2_000_000}).encode(), JSON, 413),
    (b'{"message": "Hi"}', "text/plain", 415),
    (b'{"message": "Hi"}', "application/json; charset=utf-16", 415),
    (b"message=Hi", "application/x-www-form-urlencoded", 415),
    (
        b'--x\r\nContent-Disposition: form-data; name="message"\r\n\r\nHi\r\n--x--',
        "multipart/form-data; boundary=x",
        415,
    ),
]
TOOL = {"type": "function", "function": {"name": "noop"}}
BAD_MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({}, "message"),
    *(
        ({"message": value}, "message")
        for value in (None, 7, True, ["Hi"], {"text": "Hi"}, "", " \n\t ", "x" * 100_001)
    ),
    *(({"provider": value}, "provider") for value in (7, ["local"], "x" * 101)),
    *(
        ({"model": value}, "model")
        for value in (7, ["m"], "m" * 201, "../admin", "a/../b", "a//b", "a?b", "a%2fb", "a b")
    ),
    *(({"collection_id": value}, "collection_id") for value in (7, "trip", "../../etc")),
    *(({name: value}, name) for name in ("collection_name", "destination") for value in (7, NO_ARRAY, "x" * 1001)),
    *(({name: value}, name) for name in ("start_date", "end_date") for value in (7, NO_OBJECT, "2" * 65)),
    *(({"tools": value}, "tools") for value in ("noop", NO_OBJECT, [TOOL] * 65, [TOOL, TOOL])),
    ({"tools": ["noop"]}, "tools.0"),
    ({"tools": [{"type": "function"}]}, "tools.0.function"),
    ({"tools": [{"type": "retrieval", "function": {"name": "noop"}}]}, "tools.0.type"),
    *(
        ({"tools": [{"function": {"name": name}}]}, "tools.0.function.name")
        for name in (None, "", "a b", "x" * 65, "auto")
    ),
    ({"tools": [{"function": {"name": "noop", "parameters": []}}]}, "tools.0.function.parameters"),
    ({"tools": [{"function": {"name": "noop", "paramters": {}}}]}, "tools.0.function.paramters"),
    *(({"tools": [TOOL], "tool_choice": value}, "tool_choice") for value in ("noop", 7, {}, {"type": "function"})),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
    ({"tool_choice": "required"}, "tool_choice"),
    *(
        ({name: "x"}, name)
        for name in ("api_key", "api_base", "base_url", "headers", "timeout", "extra_body", "Message")
    ),
]


async def _routes(gateway: Gateway) -> list[tuple[str, str]]:
    """Every operation whose body the API's own description names, with ids that exist."""
    ids = await make_ids(gateway, gateway.http)
    gateway.model.requests.clear()
    paths: dict[str, dict[str, Any]] = (await gateway.nobody.get("/openapi.json")).json()["paths"]
    return [
        (method.upper(), path.format_map({"provider_id": "local"} | ids))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]


async def test_no_body_that_cannot_be_read_does_anything(gateway: Gateway) -> None:
    routes = await _routes(gateway)
    before = gateway.rows()
    assert len(routes) >= 7

    for method, path in routes:
        for content, media_type, status in UNREADABLE:
            response = await gateway.http.request(method, path, content=content, headers={"Content-Type": media_type})
            body = assert_error(response, status, "validation_error")
            assert body["error_detail"]["fields"], (method, path, content[:40])
        untyped = await gateway.http.request(method, path, content=b'{"message": "Hi"}')
        assert_error(untyped, 415, "validation_error")
        packed = {"Content-Type": JSON, "Content-Encoding": "gzip"}
        assert_error(await gateway.http.request(method, path, content=b"{}", headers=packed), 415, "validation_error")
        assert_error(await gateway.nobody.request(method, path, json={}), 401, "not_authenticated")
    assert gateway.rows() == before
    assert gateway.model.requests == []


async def test_every_field_of_a_message_is_checked_and_named(gateway: Gateway) -> None:
    id_ = await gateway.new_conversation()
    before = gateway.rows()

    for fields, name in BAD_MESSAGES:
        given = fields if "message" in fields or not fields else {"message": "Hi"} | fields
        response = await gateway.http.post(f"/api/chat/conversations/{id_}/send_message/", json=given)
        body = assert_error(response, 400, "validation_error")
        assert name in body["error_detail"]["fields"], (fields, body)
        assert body[name] == body["error_detail"]["fields"][name]
    assert gateway.rows() == before
    assert gateway.model.requests == []


async def test_an_answer_names_20_wrong_fields_and_counts_the_others(gateway: Gateway) -> None:
    path = f"/api/chat/conversations/{await gateway.new_conversation()}/send_message/"
    many = {f"message{number:04}": 1 for number in range(9000)}
    tools = {"message": "Hi", "tools": [{"function": {"name": "a", "x": 1, "y": 1}} for _ in range(30)]}

    for fields, count in ((many, 9000), (tools, 60)):
        response = await gateway.http.post(path, json=fields)
        detail = assert_error(response, 400, "validation_error")["error_detail"]
        assert len(detail["fields"]) == 20
        assert f" {count - 20} more fields than those named here are wrong. " in response.json()["error"]
        assert len(detail["did_you_mean"]) <= 20
        assert len(response.content) < 10_000
    exact = await gateway.http.post(path, json=dict.fromkeys(list(many)[:20], 1) | {"message": "Hi"})
    assert len(exact.json()["error_detail"]["fields"]) == 20
    assert "more fields" not in exact.json()["error"]


@pytest.mark.parametrize(
    ("fields", "status", "code", "did_you_mean"),
    [
        ({"provider": "lokal"}, 400, "provider_not_available", ["local"]),
        ({"provider": "../local"}, 400, "provider_not_available", None),
        ({"provider": "github_models"}, 410, "provider_retired", None),
        ({"provider": "openai"}, 409, "missing_credential", None),
        ({"provider": "openai", "model": "anthropic/claude-haiku-4-5"}, 400, "invalid_model_for_provider", None),
        ({"mesage": "Hi"}, 400, "validation_error", ["message"]),
        ({"collectionid": UNKNOWN_ID}, 400, "validation_error", ["collection_id"]),
    ],
)
async def test_a_message_that_can_go_nowhere_is_not_stored(
    gateway: Gateway, fields: dict[str, Any], status: int, code: str, did_you_mean: list[str] | None
) -> None:
    id_ = await gateway.new_conversation()
    before = gateway.rows()

    body = assert_error(await gateway.send(id_, **fields), status, code)

    assert did_you_mean is None or body["error_detail"]["did_you_mean"] == did_you_mean
    assert gateway.rows() == before
    assert gateway.model.requests == []


async def test_a_message_to_no_conversation_of_mine_is_not_found(gateway: Gateway) -> None:
    foreign = await gateway.new_conversation()
    before = gateway.rows()

    for id_ in (foreign, UNKNOWN_ID, "nonsense", "..%2f..%2fx"):
        path = f"/api/chat/conversations/{id_}/send_message/"
        assert_error(await gateway.bob.post(path, json={"message": "Hi"}), 404, "not_found")
    assert gateway.rows() == before
    assert gateway.model.requests == []
