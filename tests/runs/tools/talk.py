"""What the tests of tools share: a gateway with sources of tools, and what its caller does."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.providers.provider import Wire
from app.tools.tool import ToolSource
from tests.stories.gateway import Story, Stream, gateway

CHAT = Wire.OPENAI_CHAT.value


@asynccontextmanager
async def opened(sqlite_url: str, folder: Path, *tools: ToolSource, **overrides: Any) -> AsyncGenerator[Story]:
    async with gateway(sqlite_url, folder, tools=tools, GATEWAY_LANE="native", **overrides) as story:
        await story.store_key(CHAT)
        yield story


def sent(story: Story, number: int = -1) -> list[dict[str, Any]]:
    """Give the messages that the provider was sent."""
    messages: list[dict[str, Any]] = story.upstream.calls[number].body["messages"]
    return messages


def results(stream: Stream) -> list[dict[str, Any]]:
    return [event for event in stream.events if event["type"] == "tool.result"]


def assert_well_formed(messages: Sequence[dict[str, Any]]) -> None:
    """Every call has one result, at once and in the order of the calls, and arguments that are an object."""
    at = 0
    while at < len(messages):
        calls = messages[at].get("tool_calls", ())
        ids = [call["id"] for call in calls]
        assert len(set(ids)) == len(ids)
        assert all(ids)
        assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
        assert all(call["function"]["name"] for call in calls)
        following = messages[at + 1 : at + 1 + len(calls)]
        assert [(message["role"], message["tool_call_id"]) for message in following] == [("tool", id_) for id_ in ids]
        at += 1 + len(calls)
        assert at >= len(messages) or messages[at]["role"] != "tool"


async def awaiting(story: Story, conversation: str, count: int) -> str:
    """Wait until the run of a conversation awaits that many results, and give its id."""
    async with asyncio.timeout(10):
        while True:
            active = (await story.http.get(f"/api/chat/conversations/{conversation}/")).json()["active_run"]
            if active is not None:
                run = (await story.http.get(f"/api/chat/runs/{active['id']}/")).json()
                if len(run["awaited"]) == count:
                    needs = {one["needs"] for one in run["awaited"]}
                    assert run["status"] == ("awaiting_tools" if "result" in needs else "awaiting_approval")
                    return str(active["id"])
            await asyncio.sleep(0.01)


async def answer(story: Story, run_id: str, *given: dict[str, Any]) -> Any:
    return await story.http.post(f"/api/chat/runs/{run_id}/tool_results/", json={"results": list(given)})
