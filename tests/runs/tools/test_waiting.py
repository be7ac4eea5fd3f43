"""Runs that wait for their caller, and what else may happen to them meanwhile."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from app.vault import generate_key
from tests.runs.tools.talk import CHAT, answer, assert_well_formed, awaiting, opened, results, sent
from tests.upstream import Answer, Call, Upstream

OWN: dict[str, Any] = {"type": "function", "function": {"name": "pick_date"}}
SOON = {"GATEWAY_SHUTDOWN_GRACE_SECONDS": "0.1"}


@pytest.mark.parametrize("turns", [4, pytest.param(40, marks=pytest.mark.prove)])
async def test_a_result_that_comes_with_a_cancel_is_shown_as_it_is_kept(
    database_url: str, tmp_path: Path, turns: int
) -> None:
    calls = (Call("a", "pick_date"), Call("b", "pick_date"))
    async with opened(database_url, tmp_path) as story:
        for turn in range(turns):
            conversation = await story.conversation()
            story.upstream.scripts = [Answer(tool_calls=calls), Answer(texts=("So.",), delay=0.02)]
            sending = asyncio.create_task(story.send(conversation, provider=CHAT, tools=[OWN]))
            run_id = await awaiting(story, conversation, 2)
            both = [
                answer(story, run_id, {"tool_call_id": "a", "result": {"paid": True}}),
                story.http.post(f"/api/chat/runs/{run_id}/cancel/"),
            ]
            await asyncio.gather(*(both if turn % 2 else reversed(both)))
            stream = await sending
            stored = await story.messages(conversation)
            kept = {row["tool_call_id"]: json.loads(row["content"]) for row in stored if row["role"] == "tool"}
            shown = {one["tool_result"]["tool_call_id"]: one["tool_result"]["result"] for one in results(stream)}
            assert shown == kept
            assert kept.keys() == {"a", "b"}


@pytest.mark.parametrize("wish", ["cancel", "interrupt"])
async def test_a_waiting_run_of_an_ended_process_is_stopped_at_once(
    database_url: str, tmp_path: Path, wish: str
) -> None:
    async with opened(database_url, tmp_path, **SOON) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=(Call("a", "pick_date"),))]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tools=[OWN]))
        run_id = await awaiting(story, conversation, 1)
    await asyncio.wait({sending})
    async with opened(database_url, tmp_path) as story:
        story.upstream.scripts = [Answer(texts=("So.",))]
        if wish == "cancel":
            stopped = await story.http.post(f"/api/chat/runs/{run_id}/cancel/")
            assert (stopped.status_code, stopped.json()) == (200, {"status": "cancelled"})
        again = await story.send(conversation, provider=CHAT, on_conflict="interrupt")
        run = (await story.http.get(f"/api/chat/runs/{run_id}/")).json()
        late = await answer(story, run_id, {"tool_call_id": "a", "result": 1})
    assert (run["status"], again.last["type"]) == ("cancelled", "run.completed")
    assert (late.status_code, "The run is over" in late.text) == (409, True)
    assert_well_formed(sent(story))


async def test_a_run_that_finds_no_place_is_gone_on_with_later(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path, **SOON) as story:
        waiting, busy = await story.conversation(), await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=(Call("a", "pick_date"),))]
        sending = asyncio.create_task(story.send(waiting, provider=CHAT, tools=[OWN]))
        run_id = await awaiting(story, waiting, 1)
    await asyncio.wait({sending})
    async with opened(database_url, tmp_path, GATEWAY_MAX_RUNS_PER_USER="1", **SOON) as story:
        story.upstream.scripts = [Answer(tool_calls=(Call("b", "pick_date"),)), Answer(texts=("So.",))]
        blocking = asyncio.create_task(story.send(busy, provider=CHAT, tools=[OWN]))
        blocker = await awaiting(story, busy, 1)
        refused = await answer(story, run_id, {"tool_call_id": "a", "result": 1})
        await story.http.post(f"/api/chat/runs/{blocker}/cancel/")
        await blocking
        again = await answer(story, run_id, {"tool_call_id": "a", "result": 1})
        raw = (await story.http.get(f"/api/chat/runs/{run_id}/stream/")).text
    assert (refused.status_code, refused.json()["error_category"], again.status_code) == (429, "too_many_runs", 202)
    assert '"type":"run.completed"' in raw


async def test_answers_that_were_sent_while_nobody_had_the_run_in_hand_are_gone_on_with(
    database_url: str, tmp_path: Path
) -> None:
    """As after a crash in the moment of the last result; here no place is free, and nobody sends it again."""
    async with Upstream() as behind:
        same: dict[str, Any] = {"GATEWAY_CREDENTIAL_KEYS": generate_key(), "upstream": behind}
        async with opened(database_url, tmp_path, **SOON, **same) as story:
            waiting, busy = await story.conversation(), await story.conversation()
            story.upstream.scripts = [Answer(tool_calls=(Call("a", "pick_date"),))]
            sending = asyncio.create_task(story.send(waiting, provider=CHAT, tools=[OWN]))
            run_id = await awaiting(story, waiting, 1)
        await asyncio.wait({sending})
        async with opened(database_url, tmp_path, GATEWAY_MAX_RUNS_PER_USER="1", **SOON, **same) as story:
            story.upstream.scripts = [Answer(tool_calls=(Call("b", "pick_date"),))]
            blocking = asyncio.create_task(story.send(busy, provider=CHAT, tools=[OWN]))
            await awaiting(story, busy, 1)
            assert (await answer(story, run_id, {"tool_call_id": "a", "result": 1})).status_code == 429
        await asyncio.wait({blocking})
        behind.scripts = [Answer(texts=("So.",))]
        async with opened(database_url, tmp_path, GATEWAY_LEASE_SECONDS="2", **same) as story:
            async with asyncio.timeout(30):
                raw = ""
                while '"type":"run.' not in raw.rpartition('"type":"tool.result"')[2]:
                    raw = (await story.http.get(f"/api/chat/runs/{run_id}/stream/")).text
        assert '"type":"run.completed"' in raw
        assert raw.count('"type":"tool.result"') == 1
