"""Branches beside an answer of several steps: all of it stands before what follows it, whatever of it is named."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx

from app.db.run_events import trim_events
from app.db.session import Database
from tests.runs.tools.talk import CHAT, assert_well_formed, opened, sent
from tests.stories.gateway import Story, Stream
from tests.tools.scripted import Scripted, ToolPlay
from tests.upstream import Answer, Call, Script

STEPS = ("assistant", "tool", "assistant", "tool", "assistant")


def two_steps_and(*texts: str) -> list[Script]:
    return [
        Answer(texts=("One. ",), tool_calls=(Call("c", "tool"),)),
        Answer(texts=("Two. ",), tool_calls=(Call("c", "tool"),)),
        *(Answer(texts=(text,)) for text in ("Three.", *texts)),
    ]


async def stored(story: Story, conversation: str, count: int) -> list[dict[str, str]]:
    """Wait until so many messages are shown."""
    async with asyncio.timeout(10):
        while len(found := await story.messages(conversation)) < count:  # noqa: ASYNC110 - what others have stored
            await asyncio.sleep(0.01)
    return found


def roles(story: Story) -> list[str]:
    assert_well_formed(sent(story))
    return [message["role"] for message in sent(story)]


async def said(story: Story, conversation: str) -> list[str]:
    return [row["content"] for row in await story.messages(conversation) if row["role"] != "tool"]


async def test_an_edit_of_a_message_that_waits_follows_the_whole_answer(database_url: str, tmp_path: Path) -> None:
    go = asyncio.Event()
    source = Scripted({"tool": ToolPlay(result={"n": 1}, waits_for=go)})
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = two_steps_and("Four.", "Five.", "Six.")
        first = asyncio.create_task(story.send(conversation, provider=CHAT))
        await source.called.wait()
        second = asyncio.create_task(story.send(conversation, provider=CHAT, message="And?", on_conflict="enqueue"))
        waiting = (await stored(story, conversation, 5))[-2]
        body = {"message": "What?", "provider": CHAT, "on_conflict": "enqueue"}
        third = asyncio.create_task(story.http.post(f"/api/chat/messages/{waiting['id']}/edit/", json=body))
        async with asyncio.timeout(10):
            while (await story.messages(conversation))[-2]["content"] != "What?":  # noqa: ASYNC110 - see `stored`
                await asyncio.sleep(0.01)
        go.set()
        await asyncio.gather(first, second, third)

        assert waiting["content"] == "And?"
        assert roles(story) == ["system", "user", *STEPS, "user"]
        assert await said(story, conversation) == ["Where to?", "One. ", "Two. ", "Three.", "What?", "Five."]
        await story.send(conversation, provider=CHAT, message="So?")
        assert roles(story) == ["system", "user", *STEPS, "user", "assistant", "user"]


async def test_what_follows_any_message_of_an_answer_follows_all_of_it(database_url: str, tmp_path: Path) -> None:
    source = Scripted({"tool": ToolPlay(result={"n": 1})})
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = two_steps_and("Four.", *"56789")
        await story.send(conversation, provider=CHAT)
        await story.send(conversation, provider=CHAT, message="And?")
        for answered in (await story.messages(conversation))[1:6]:
            stream = await story.send(conversation, provider=CHAT, message="So?", parent_id=answered["id"])
            assert stream.last["type"] == "run.completed"
            assert roles(story) == ["system", "user", *STEPS, "user"]
            assert (await said(story, conversation))[:-1] == ["Where to?", "One. ", "Two. ", "Three.", "So?"]


async def test_nothing_follows_a_part_of_an_answer_that_is_being_written(database_url: str, tmp_path: Path) -> None:
    go = asyncio.Event()
    source = Scripted({"tool": ToolPlay(result={"n": 1}, waits_for=go)})
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = two_steps_and()
        first = asyncio.create_task(story.send(conversation, provider=CHAT))
        await source.called.wait()
        part = (await stored(story, conversation, 3))[1]
        body = {"message": "So?", "provider": CHAT, "parent_id": part["id"], "on_conflict": "enqueue"}
        refused = await story.http.post(f"/api/chat/conversations/{conversation}/send_message/", json=body)
        go.set()
        stream: Stream = await first

    assert part["content"] == "One. "
    assert (refused.status_code, list(refused.json()["parent_id"])) == (
        400,
        ["A message can only follow an answer that has ended."],
    )
    assert stream.last["type"] == "run.completed"


async def test_where_events_are_gone_all_steps_of_an_answer_are_told(database_url: str, tmp_path: Path) -> None:
    source = Scripted({"tool": ToolPlay(result={"n": 1})})
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = two_steps_and()
        stream = await story.send(conversation, provider=CHAT)
        database = Database.open(database_url)
        async with database.write() as session:
            assert await trim_events(session, ended_before=datetime(2999, 1, 1, tzinfo=UTC), limit=10) == 1
        await database.close()
        run_id = stream.last["run_id"]
        # Not the client that expects every event.
        async with httpx.AsyncClient(base_url=story.http.base_url, headers=story.http.headers) as plain:
            got = await plain.get(f"/api/chat/runs/{run_id}/stream/")
        stored = await story.messages(conversation)

    (event,) = Stream(got, got.content).events
    told = [*event["snapshot"]["earlier"], event["snapshot"] | {"role": "assistant", "tool_call_id": None}]
    assert event["type"] == "message.snapshot"
    for name, own in (("message_id", "id"), *((name, name) for name in ("role", "content", "tool_call_id"))):
        assert [step[name] for step in told] == [row[own] for row in stored[1:]]
    assert [len(step["tool_calls"] or ()) for step in told] == [1, 0, 1, 0, 0]
