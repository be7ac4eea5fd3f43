import asyncio
import re
from typing import Any

import httpx
import orjson
import pytest

from app.errors import AuthenticationFailed, Origin
from app.providers.model import TextDelta, ToolSpec
from tests.routers.gateway import UNKNOWN_ID, Gateway, assert_error, open_gateway
from tests.runs.scripted import STOP, Pause, words
from tests.voyage_reader import read, read_cut

_FRAME = re.compile(rb"id: ([0-9a-f-]{36}):(\d+)\nevent: ([a-z._]+)\ndata: (\{[^\n]*\})\n\n")


def _frames(body: bytes) -> list[tuple[str, int, str, dict[str, Any]]]:
    """Take a whole stream apart; every byte of it must be part of a frame."""
    assert _FRAME.sub(b"", body.replace(b": ping\n\n", b"")) == b"data: [DONE]\n\n"
    return [(m[1].decode(), int(m[2]), m[3].decode(), orjson.loads(m[4])) for m in _FRAME.finditer(body)]


async def test_an_answer_is_streamed_frame_by_frame(gateway: Gateway) -> None:
    id_ = await gateway.new_conversation()

    response = await gateway.send(id_, "Where to?", provider=" LlmProviders.LOCAL ", model=" local/local-2 ")

    run_id = response.headers["x-run-id"]
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in response.headers
    assert response.headers["x-request-id"]
    frames = _frames(response.content)
    assert [(run, seq) for run, seq, _, _ in frames] == [(run_id, seq) for seq in range(1, len(frames) + 1)]
    assert [kind for _, _, kind, _ in frames] == ["run.started", "message.delta", "run.completed"]
    assert all(data["type"] == kind and data["run_id"] == run_id for _, _, kind, data in frames)
    assert frames[0][3]["message_id"] == response.headers["x-message-id"]
    assert (frames[0][3]["provider"], frames[0][3]["model"]) == ("local", "local-2")
    for size in (1, 5, len(response.content)):
        assert read_cut(response.content, size).bubble == "Lisbon is lovely "


async def test_the_first_frame_comes_before_the_provider_answers(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [pause, TextDelta("Late"), STOP], ping_seconds=0.05) as gateway:
        id_ = await gateway.new_conversation()
        path = f"/api/chat/conversations/{id_}/send_message/"
        async with gateway.http.stream("POST", path, json={"message": "Hi"}) as response:
            chunks = response.aiter_raw()
            body = await anext(chunks)
            while b": ping\n\n" not in body:
                body += await anext(chunks)
            busy = await gateway.send(id_, "Me too")
            shown = (await gateway.http.get(f"/api/chat/conversations/{id_}/")).json()
            pause.release.set()
            body += b"".join([chunk async for chunk in chunks])

        assert body.startswith(f"id: {response.headers['x-run-id']}:1\nevent: run.started\n".encode())
        assert read_cut(body, 1).bubble == "Late"
        assert assert_error(busy, 409, "conversation_busy")["error_detail"]["run_id"] == response.headers["x-run-id"]
        assert shown["active_run"] == {"id": response.headers["x-run-id"], "status": "running", "last_seq": 1}
        assert shown["messages"][1]["status"] == "running"


async def test_a_failure_is_one_string_after_the_text(database_url: str) -> None:
    refused = AuthenticationFailed(origin=Origin(provider="local", label="Local"))
    async with open_gateway(database_url, [TextDelta("Half"), refused]) as gateway:
        id_ = await gateway.new_conversation()
        response = await gateway.send(id_)

        last = _frames(response.content)[-1]
        assert last[2] == "run.failed"
        assert last[3]["error_category"] == "authentication_failed"
        assert last[3]["error_detail"]["request_id"] == response.headers["x-request-id"]
        for size in (1, len(response.content)):
            assert read_cut(response.content, size).bubble == f"Half\n\n⚠ {refused.sentence}"


async def test_who_leaves_early_ends_only_the_reading(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [TextDelta("Kept "), pause, TextDelta("whole"), STOP]) as gateway:
        id_ = await gateway.new_conversation()
        path = f"/api/chat/conversations/{id_}/send_message/"
        async with gateway.http.stream("POST", path, json={"message": "Hi"}) as response:
            await anext(response.aiter_raw())
            run_id = response.headers["x-run-id"]
        await pause.reached.wait()
        pause.release.set()

        run = await _ended(gateway, run_id)
        assert (run["status"], run["message_id"]) == ("completed", response.headers["x-message-id"])
        assert (await gateway.http.get(f"/api/chat/conversations/{id_}/")).json()["messages"][1][
            "content"
        ] == "Kept whole"


async def test_a_run_is_stopped_once(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [TextDelta("Kept"), pause]) as gateway:
        id_ = await gateway.new_conversation()
        path = f"/api/chat/conversations/{id_}/send_message/"
        async with gateway.http.stream("POST", path, json={"message": "Hi"}) as response:
            run_id = response.headers["x-run-id"]
            await pause.reached.wait()
            assert_error(await gateway.bob.post(f"/api/chat/runs/{run_id}/cancel/"), 404, "not_found")
            stopped = await gateway.http.post(f"/api/chat/runs/{run_id}/cancel")
            reader = await read(response.aiter_raw())

        assert (stopped.status_code, stopped.json()) == (202, {"status": "cancelling"})
        assert reader.events[-1]["type"] == "run.cancelled"
        assert reader.bubble == "Kept"
        again = await gateway.http.post(f"/api/chat/runs/{run_id}/cancel/", json={})
        assert (again.status_code, again.json()) == (200, {"status": "cancelled"})
        assert_error(await gateway.http.post(f"/api/chat/runs/{UNKNOWN_ID}/cancel/"), 404, "not_found")
        assert_error(await gateway.bob.get(f"/api/chat/runs/{run_id}/"), 404, "not_found")
        body = assert_error(await gateway.http.get("/api/chat/runs/7/"), 404, "not_found")
        assert body["error_detail"]["fields"] == {"run_id": ["This is not a UUID."]}


async def test_deleting_a_conversation_stops_its_run(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [pause]) as gateway:
        id_ = await gateway.new_conversation()
        path = f"/api/chat/conversations/{id_}/"
        async with gateway.http.stream("POST", f"{path}send_message/", json={"message": "Hi"}) as response:
            await pause.reached.wait()
            assert (await gateway.http.delete(path)).status_code == 204
            reader = await read(response.aiter_raw())

        assert reader.events[-1]["type"] == "run.cancelled"
        assert gateway.model.open == 0


async def test_tools_arrive_as_they_were_given(gateway: Gateway) -> None:
    id_ = await gateway.new_conversation()
    weather = {"name": "get_weather", "description": "Weather", "parameters": {"type": "object"}, "strict": True}
    tools = [{"type": "function", "function": weather}, {"type": "function", "function": {"name": "noop"}}]

    await gateway.tell(id_, tools=tools, tool_choice={"type": "function", "function": {"name": "noop"}})
    await gateway.tell(id_, tools=[], tool_choice="auto")

    first, second = gateway.model.requests
    assert first.tools == (
        ToolSpec(name="get_weather", description="Weather", parameters={"type": "object"}),
        ToolSpec(name="noop"),
    )
    assert (first.tool_choice, second.tools, second.tool_choice) == ("noop", (), None)


async def test_everything_the_voyage_chat_sends_is_taken(gateway: Gateway) -> None:
    trip = {
        "collection_id": UNKNOWN_ID,
        "collection_name": "Portugal",
        "start_date": "2026-05-01",
        "end_date": "2026-05-09",
        "destination": "Lisbon, Portugal; Porto, Portugal; +2 more",
    }
    reader = await gateway.tell(await gateway.new_conversation(), provider="", model=None, **trip)

    assert reader.bubble == "Lisbon is lovely "


async def test_open_streams_end_with_their_last_event_when_the_server_stops(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [TextDelta("So far"), pause], shutdown_grace_seconds=0.2) as gateway:
        id_ = await gateway.new_conversation()
        path = f"/api/chat/conversations/{id_}/send_message/"
        async with gateway.http.stream("POST", path, json={"message": "Hi"}) as response:
            await pause.reached.wait()
            gateway.services.begin_shutdown()
            late = await gateway.send(await gateway.new_conversation(), "Too late")
            body = b"".join([chunk async for chunk in response.aiter_raw()])

        assert _frames(body)[-1][2] == "run.interrupted"
        assert read_cut(body, 1).bubble.startswith("So far\n\n⚠ ")
        assert_error(late, 503, "server_shutdown")
        assert late.headers["retry-after"] == "5"


@pytest.mark.parametrize("count", [20])
async def test_many_at_once_each_get_their_own(database_url: str, count: int) -> None:
    async with open_gateway(database_url, words("one two three"), max_runs_per_user=count) as gateway:
        ids = [await gateway.new_conversation() for _ in range(count)]
        readers = await asyncio.gather(*(gateway.tell(id_) for id_ in ids))

        assert [reader.bubble for reader in readers] == ["one two three "] * count
        assert {reader.events[0]["conversation_id"] for reader in readers} == set(ids)


async def _ended(gateway: Gateway, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            response: httpx.Response = await gateway.http.get(f"/api/chat/runs/{run_id}/")
            if response.json()["status"] != "running":
                return response.json()
