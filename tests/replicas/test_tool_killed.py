"""A process that is killed while a tool of its writes: dispatched once, and said that its outcome is not known."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.db.migrate import upgrade
from tests.replicas.environment import MODEL, PROVIDER, TOKENS, environment
from tests.replicas.process import Replica
from tests.upstream import Answer, Call, Upstream

COMMAND = (sys.executable, "-m", "tests.replicas.serve_tools")
CALLS = (Call("call_book", "book"), Call("call_look", "look"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.prove)])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    upgrade(url)
    return url


async def _effects(file: Path, count: int) -> list[str]:
    async with asyncio.timeout(20):
        while True:
            lines = (await asyncio.to_thread(file.read_text, "utf-8")).split()
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.01)


def _events(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]


async def _send(http: httpx.AsyncClient, conversation: str) -> bytes:
    """Give what came of an answer, whether or not it came to its end."""
    path = f"/api/chat/conversations/{conversation}/send_message/"
    body, asked = b"", {"message": "Book it.", "provider": PROVIDER, "model": MODEL}
    try:
        async with http.stream("POST", path, json=asked) as response:
            async for chunk in response.aiter_raw():
                body += chunk
    except httpx.HTTPError:
        pass
    return body


async def test_a_write_is_dispatched_once_and_its_outcome_said_to_be_unknown(database_url: str, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    async with Upstream() as upstream:
        upstream.scripts = [Answer(texts=("I book. ",), tool_calls=CALLS), Answer(texts=("So.",))]
        settings = {"EFFECTS_FILE": str(effects), "GATEWAY_LEASE_SECONDS": "2", "GATEWAY_SPILL_DIR": str(tmp_path)}
        environ = environment(database_url, f"{upstream.base_url}/v1", tmp_path, **settings)
        async with (
            Replica(environ, log=tmp_path / "replica.log", command=COMMAND) as replica,
            replica.client(TOKENS["alice"], read_s=40) as http,
        ):
            conversation = (await http.post("/api/chat/conversations/", json={})).json()["id"]
            sending = asyncio.create_task(_send(http, conversation))
            await _effects(effects, 2)
            await replica.kill()
            seen = _events(await sending)
            run_id = seen[0]["run_id"]
            await replica.start()
            after = seen[-1]["seq"]
            async with asyncio.timeout(30):
                rest = _events((await http.get(f"/api/chat/runs/{run_id}/stream/?after={after}")).content)
                while not rest or not rest[-1]["type"].startswith("run."):
                    rest += _events((await http.get(f"/api/chat/runs/{run_id}/stream/?after={after}")).content)
            stored = (await http.get(f"/api/chat/conversations/{conversation}/")).json()["messages"]
            again = _events(await _send(http, conversation))

    told = {event["tool_result"]["name"]: event["outcome"] for event in rest if event["type"] == "tool.result"}
    assert told == {"book": "unknown", "look": "failed"}
    assert rest[-1]["type"] == "run.interrupted"
    assert rest[-1]["error"].startswith("I book. ")
    assert sorted((await asyncio.to_thread(effects.read_text, "utf-8")).split()) == ["book", "look"]
    assert [(row["role"], row["tool_call_id"]) for row in stored] == [
        ("user", None),
        ("assistant", None),
        ("tool", "call_book"),
        ("tool", "call_look"),
        ("assistant", None),
    ]
    assert json.loads(stored[2]["content"])["outcome"] == "unknown"
    assert again[-1]["type"] == "run.completed"
    said = upstream.calls[-1].body["messages"]
    assert [message["role"] for message in said] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert "not known" in said[3]["content"]


async def _awaited(http: httpx.AsyncClient, conversation: str) -> str:
    """Wait until the run of a conversation waits for its caller, and give its id."""
    async with asyncio.timeout(20):
        while True:
            active = (await http.get(f"/api/chat/conversations/{conversation}/")).json()["active_run"]
            if active and (await http.get(f"/api/chat/runs/{active['id']}/")).json()["status"] == "awaiting_approval":
                return str(active["id"])
            await asyncio.sleep(0.01)


async def _to_its_end(http: httpx.AsyncClient, run_id: str) -> list[dict[str, Any]]:
    """Read a run from its first event, as often as it takes."""
    async with asyncio.timeout(40):
        while True:
            events = _events((await http.get(f"/api/chat/runs/{run_id}/stream/?after=0")).content)
            if events and events[-1]["type"].startswith("run.") and "status" in events[-1]:
                return events
            await asyncio.sleep(0.05)


@pytest.mark.prove
async def test_a_process_killed_before_and_after_an_approval_makes_the_call_once(
    database_url: str, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    async with Upstream() as upstream:
        upstream.scripts = [Answer(texts=("I book. ",), tool_calls=CALLS), Answer(texts=("So.",))]
        settings = {"EFFECTS_FILE": str(effects), "GATEWAY_LEASE_SECONDS": "2", "GATEWAY_SPILL_DIR": str(tmp_path)}
        settings |= {"GATEWAY_TOOL_APPROVAL": "writes"}
        environ = environment(database_url, f"{upstream.base_url}/v1", tmp_path, **settings)
        async with (
            Replica(environ, log=tmp_path / "replica.log", command=COMMAND) as replica,
            replica.client(TOKENS["alice"], read_s=40) as http,
        ):
            conversation = (await http.post("/api/chat/conversations/", json={})).json()["id"]
            sending = asyncio.create_task(_send(http, conversation))
            run_id = await _awaited(http, conversation)
            assert await _effects(effects, 1) == ["look"]
            await replica.kill()
            await sending
            await replica.start()
            assert await _awaited(http, conversation) == run_id
            approved = {"results": [{"tool_call_id": "call_book", "approved": True}]}
            assert (await http.post(f"/api/chat/runs/{run_id}/tool_results/", json=approved)).status_code == 202
            await _effects(effects, 2)
            await replica.kill()
            await replica.start()
            events = await _to_its_end(http, run_id)
            stored = (await http.get(f"/api/chat/conversations/{conversation}/")).json()["messages"]
            again = _events(await _send(http, conversation))

    told = [(event["tool_result"]["name"], event["outcome"]) for event in events if event["type"] == "tool.result"]
    assert told == [("look", "failed"), ("book", "unknown")]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "run.interrupted"
    assert sorted((await asyncio.to_thread(effects.read_text, "utf-8")).split()) == ["book", "look"]
    assert {row["name"]: json.loads(row["content"]).get("outcome") for row in stored if row["role"] == "tool"} == {
        "book": "unknown",
        "look": None,
    }
    assert again[-1]["type"] == "run.completed"
