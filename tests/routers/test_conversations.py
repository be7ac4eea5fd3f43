import re

import pytest

from tests.routers.gateway import UNKNOWN_ID, Gateway, assert_error

PATH = "/api/chat/conversations/"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


async def test_a_conversation_lives(gateway: Gateway) -> None:
    created = await gateway.http.post(PATH, json={"title": "  Porto  "})
    id_ = created.json()["id"]

    assert created.status_code == 201
    assert created.json() | {"created_at": "", "updated_at": ""} == {
        "id": id_,
        "title": "Porto",
        "created_at": "",
        "updated_at": "",
        "messages": [],
        "active_run": None,
    }
    assert _TIME.fullmatch(created.json()["created_at"])
    assert (await gateway.http.get(f"{PATH}{id_}/")).json() == created.json()
    assert (await gateway.http.get(f"{PATH}{id_.upper()}/")).json() == created.json()

    listed = (await gateway.http.get(PATH, params={"format": "json"})).json()
    assert listed == [{key: created.json()[key] for key in ("id", "title", "updated_at")}]

    deleted = await gateway.http.delete(f"{PATH}{id_}/")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert_error(await gateway.http.get(f"{PATH}{id_}/"), 404, "not_found")


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_only_the_title_is_written(gateway: Gateway, method: str) -> None:
    first, second = await gateway.new_conversation(), await gateway.new_conversation()

    renamed = await gateway.http.request(method, f"{PATH}{first}/", json={"title": "Faro", "id": UNKNOWN_ID, "user": 7})
    assert renamed.status_code == 200
    assert (renamed.json()["id"], renamed.json()["title"]) == (first, "Faro")
    assert [line["id"] for line in (await gateway.http.get(PATH)).json()] == [first, second]

    touched = await gateway.http.request(method, f"{PATH}{first}/", json={})
    assert (touched.status_code, touched.json()["title"]) == (200, "Faro")
    assert (await gateway.http.request(method, f"{PATH}{first}/", json={"title": ""})).json()["title"] == ""


async def test_create_takes_no_body_at_all(gateway: Gateway) -> None:
    assert (await gateway.http.post(PATH)).status_code == 201
    assert (await gateway.http.post(PATH, content=b"", headers={"Content-Type": "text/plain"})).status_code == 201


async def test_a_bad_title_is_named(gateway: Gateway) -> None:
    id_ = await gateway.new_conversation()

    for title in (None, 7, ["x"], "x" * 256):
        for method, path in (("POST", PATH), ("PATCH", f"{PATH}{id_}/"), ("PUT", f"{PATH}{id_}/")):
            response = await gateway.http.request(method, path, json={"title": title})
            body = assert_error(response, 400, "validation_error")
            assert body["title"] == body["error_detail"]["fields"]["title"] != []
    assert gateway.rows()["conversations"] == 1


async def test_what_is_not_mine_is_not_there(gateway: Gateway) -> None:
    foreign = await gateway.new_conversation()
    malformed = ("not-a-uuid", "{" + UNKNOWN_ID + "}", UNKNOWN_ID.replace("-", ""))

    for method in ("GET", "PATCH", "PUT", "DELETE"):
        for id_ in (foreign, UNKNOWN_ID, *malformed):
            body = {"title": "mine"} if method in {"PATCH", "PUT"} else None
            response = await gateway.bob.request(method, f"{PATH}{id_}/", json=body)

            fields = assert_error(response, 404, "not_found")["error_detail"]["fields"]
            assert ("conversation_id" in fields) == (id_ in malformed)
    assert (await gateway.http.get(f"{PATH}{foreign}/")).json()["title"] == ""


async def test_messages_are_read_back_in_order_with_what_became_of_them(gateway: Gateway) -> None:
    id_ = await gateway.new_conversation()
    await gateway.tell(id_, "  Where to?  ")
    await gateway.tell(id_, "And then?")

    read = (await gateway.http.get(f"{PATH}{id_}/")).json()

    messages = read["messages"]
    assert read["title"] == "Where to?"
    assert read["active_run"] is None
    assert [(message["seq"], message["role"], message["content"]) for message in messages] == [
        (1, "user", "Where to?"),
        (2, "assistant", "Lisbon is lovely "),
        (3, "user", "And then?"),
        (4, "assistant", "Lisbon is lovely "),
    ]
    assert set(messages[1]) == {
        *("id", "role", "content", "tool_calls", "tool_call_id", "name", "created_at"),
        *("text", "seq", "status", "finish_reason", "error", "usage", "provider", "model", "run_id", "parent_id"),
    }
    assert [message["status"] for message in messages] == ["complete", "completed"] * 2
    assert (messages[1]["provider"], messages[1]["model"], messages[1]["finish_reason"]) == ("local", "local-1", "stop")
