"""Calls that may change something and wait until their caller has approved them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runs.tools.talk import CHAT, answer, assert_well_formed, awaiting, opened, results, sent
from tests.stories.gateway import Story, Stream
from tests.tools.scripted import CITY, Scripted, ToolPlay
from tests.upstream import Answer, Call

OWN: dict[str, Any] = {"type": "function", "function": {"name": "pick_date"}}
WRITES = {"tool_approval": "writes"}


def booking(**plays: ToolPlay) -> Scripted:
    known = {"book": ToolPlay(result={"booked": 1}, writes=True), "pay": ToolPlay(result={"paid": 1}, writes=True)}
    return Scripted(known | {"look": ToolPlay(result={"n": 1})} | plays)


def kinds(stream: Stream) -> list[tuple[str, str]]:
    """Give what the stream says of calls, in order."""
    told: list[tuple[str, str]] = []
    for event in stream.events:
        match event:
            case {"type": "tool.result", "tool_result": {"tool_call_id": id_}, "outcome": outcome}:
                told.append((outcome, id_))
            case {"type": "tool.started", "tool_call_id": id_}:
                told.append(("started", id_))
            case {"type": "run.awaiting_approval", "awaited": awaited}:
                told.append(("asked", ",".join(one["tool_call_id"] for one in awaited)))
            case _:
                pass
    return told


def named(refused: httpx.Response) -> list[str]:
    """Give the fields that a refusal names."""
    return [name for name, texts in refused.json().items() if isinstance(texts, list)]


async def assert_kept(story: Story, conversation: str, stream: Stream) -> None:
    """What a reload gives of each call is what was shown."""
    stored = await story.messages(conversation)
    kept = {row["tool_call_id"]: json.loads(row["content"]) for row in stored if row["role"] == "tool"}
    assert {one["tool_result"]["tool_call_id"]: one["tool_result"]["result"] for one in results(stream)} == kept


async def test_a_write_waits_for_approval_and_a_denied_one_is_not_made(database_url: str, tmp_path: Path) -> None:
    source = booking()
    calls = (Call("a", "book", ('{"room": 7}',)), Call("b", "pay"), Call("c", "look"), Call("d", "pick_date"))
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(texts=("Booking. ",), tool_calls=calls), Answer(texts=("Done.",)), Answer()]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tools=[OWN], **WRITES))
        run_id = await awaiting(story, conversation, 3)
        asked = (await story.http.get(f"/api/chat/runs/{run_id}/")).json()
        assert "book" not in [name for name, _ in source.calls]
        first = await answer(story, run_id, {"tool_call_id": "d", "result": "May"})
        status = (await story.http.get(f"/api/chat/runs/{run_id}/")).json()["status"]
        denied = await answer(story, run_id, {"tool_call_id": "b", "approved": False, "error": "Too dear."})
        last = await answer(story, run_id, {"tool_call_id": "a", "approved": True})
        stream = await sending
        same = await answer(
            story, run_id, {"tool_call_id": "a", "approved": True}, {"tool_call_id": "b", "approved": False}
        )
        await assert_kept(story, conversation, stream)
        await story.send(conversation, provider=CHAT, message="Sure?")

    assert {one["tool_call_id"]: one["needs"] for one in asked["awaited"]} == {
        "a": "approval",
        "b": "approval",
        "d": "result",
    }
    assert (asked["status"], status) == ("awaiting_tools", "awaiting_approval")
    assert [(one.status_code, one.json()["awaited"]) for one in (first, denied, last, same)] == [
        (202, ["a", "b"]),
        (202, ["a"]),
        (202, []),
        (202, []),
    ]
    assert sorted(source.calls) == [("book", {"room": 7}), ("look", {})]
    (event,) = [event for event in stream.events if event["type"] == "run.awaiting_approval"]
    assert event["awaited"] == [
        {"tool_call_id": "a", "name": "book", "arguments": '{"room":7}'},
        {"tool_call_id": "b", "name": "pay", "arguments": "{}"},
    ]
    assert event["expires_in_s"] == 600
    told = kinds(stream)
    assert told.index(("asked", "a,b")) < min(told.index(("failed", "b")), told.index(("started", "a")))
    assert told.index(("started", "a")) < told.index(("completed", "a"))
    assert ("started", "b") not in told
    assert (stream.last["type"], stream.text) == ("run.completed", "Booking. Done.")
    assert_well_formed(sent(story, 1))
    assert [message["content"] for message in sent(story, 1)[-4:]] == [
        '{"booked":1}',
        '{"error":"Too dear.","approved":false}',
        '{"n":1}',
        '"May"',
    ]
    assert sent(story, 2)[: len(sent(story, 1))] == sent(story, 1)


@pytest.mark.parametrize(
    ("given", "status", "field"),
    [
        ({"tool_call_id": "a", "result": {"booked": 1}}, 400, "results.0.tool_call_id"),
        ({"tool_call_id": "d", "approved": True}, 400, "results.0.tool_call_id"),
        ({"tool_call_id": "c", "approved": False}, 409, "results.0.tool_call_id"),
        ({"tool_call_id": "a", "approved": True, "result": 1}, 400, "results.0"),
        ({"tool_call_id": "a", "approved": True, "error": "No."}, 400, "results.0"),
        ({"tool_call_id": "a", "approved": "yes"}, 400, "results.0.approved"),
    ],
)
async def test_what_does_not_fit_a_call_is_refused_and_changes_nothing(
    sqlite_url: str, tmp_path: Path, given: dict[str, Any], status: int, field: str
) -> None:
    source = booking(look=ToolPlay(hangs=True))
    calls = (Call("a", "book"), Call("c", "look"), Call("d", "pick_date"))
    async with opened(sqlite_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=calls)]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tools=[OWN], **WRITES))
        run_id = await awaiting(story, conversation, 2)
        refused = await answer(story, run_id, given)
        twice = await answer(story, run_id, *[{"tool_call_id": "a", "approved": yes} for yes in (True, False)])
        assert await awaiting(story, conversation, 2) == run_id
        await story.http.post(f"/api/chat/runs/{run_id}/cancel/")
        stream = await sending
        late = await answer(story, run_id, {"tool_call_id": "a", "approved": True})
        await assert_kept(story, conversation, stream)

    assert (refused.status_code, refused.json()["error_category"]) == (status, "validation_error")
    assert named(refused) == [field]
    assert (twice.status_code, named(twice)) == (400, ["results"])
    assert (stream.last["type"], late.status_code) == ("run.cancelled", 409)
    assert "book" not in [name for name, _ in source.calls]


async def test_an_approval_over_a_restart_makes_the_call_once_and_the_answer_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    before, after = booking(), booking()
    calls = (Call("a", "book", ('{"room": 7}',)), Call("b", "pay"), Call("c", "look"))
    async with opened(database_url, tmp_path, before, GATEWAY_SHUTDOWN_GRACE_SECONDS="0.1") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(texts=("Booking. ",), tool_calls=calls)]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, **WRITES))
        run_id = await awaiting(story, conversation, 2)
    await asyncio.wait({sending})
    async with opened(database_url, tmp_path, after) as story:
        story.upstream.scripts = [Answer(texts=("Done.",)), Answer()]
        one = await answer(story, run_id, {"tool_call_id": "b", "approved": True})
        assert one.json()["awaited"] == ["a"]
        await after.called.wait()
        assert after.calls == [("pay", {})]
        approving = [answer(story, run_id, {"tool_call_id": "a", "approved": True}) for _ in range(5)]
        codes = [said.status_code for said in await asyncio.gather(*approving)]
        raw = (await story.http.get(f"/api/chat/runs/{run_id}/stream/")).content
        stored = await story.messages(conversation)
        events = [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: {")]
        await story.send(conversation, provider=CHAT, message="Sure?")

    assert codes == [202] * 5
    assert [name for name, _ in before.calls] == ["look"]
    assert sorted(after.calls) == [("book", {"room": 7}), ("pay", {})]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    shown = {event["tool_result"]["tool_call_id"]: event for event in events if event["type"] == "tool.result"}
    assert {id_: event["outcome"] for id_, event in shown.items()} == dict.fromkeys("abc", "completed")
    assert [event["index"] for event in events if event["type"] == "tool.started"] in ([2, 0, 1], [2, 1, 0])
    assert {event["message_id"] for event in shown.values()} == {stored[1]["id"]}
    assert events[-1]["type"] == "run.completed"
    assert [row["content"] for row in stored[1:]] == ["Booking. ", '{"booked":1}', '{"paid":1}', '{"n":1}', "Done."]
    assert len(story.upstream.calls) == 2
    assert_well_formed(sent(story, 0))
    assert [message["content"] for message in sent(story, 0)[-3:]] == ['{"booked":1}', '{"paid":1}', '{"n":1}']


async def test_without_an_answer_nothing_is_made_and_the_conversation_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    source = booking()
    async with opened(database_url, tmp_path, source, GATEWAY_TOOL_WAIT_SECONDS="0.2") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=(Call("a", "book"), Call("c", "look"))), Answer(texts=("So.",))]
        stream = await story.send(conversation, provider=CHAT, **WRITES)
        await assert_kept(story, conversation, stream)
        again = await story.send(conversation, provider=CHAT)
    assert (stream.last["type"], stream.last["error_category"]) == ("run.failed", "tool_execution_error")
    assert source.calls == [("look", {})]
    assert {event["outcome"] for event in results(stream)} == {"failed", "completed"}
    assert again.last["type"] == "run.completed"
    assert_well_formed(sent(story))


async def test_the_operators_wish_holds_for_every_message_and_asks_only_for_calls_that_can_be_made(
    sqlite_url: str, tmp_path: Path
) -> None:
    source = booking(move=ToolPlay(writes=True, parameters=CITY))
    calls = (Call("a", "book"), Call("b", "move"), Call("c", "book", ("{",)), Call("e", "look"))
    async with opened(sqlite_url, tmp_path, source, GATEWAY_TOOL_APPROVAL="writes") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=calls), Answer(texts=("Done.",))]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tool_approval="never"))
        run_id = await awaiting(story, conversation, 1)
        await answer(story, run_id, {"tool_call_id": "a", "approved": True})
        stream = await sending
        offered = (await story.http.get("/api/chat/capabilities/")).json()

    assert kinds(stream)[-2:] == [("started", "a"), ("completed", "a")]
    assert {event["tool_result"]["tool_call_id"]: event["outcome"] for event in results(stream)} == {
        "a": "completed",
        "b": "failed",
        "c": "failed",
        "e": "completed",
    }
    assert offered["tool_approval"] == "writes"


async def test_the_operators_wish_of_today_holds_for_a_run_of_yesterday(database_url: str, tmp_path: Path) -> None:
    source = booking()
    async with opened(database_url, tmp_path, source, GATEWAY_SHUTDOWN_GRACE_SECONDS="0.1") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=(Call("d", "pick_date"),))]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tools=[OWN]))
        run_id = await awaiting(story, conversation, 1)
    await asyncio.wait({sending})
    async with opened(database_url, tmp_path, source, GATEWAY_TOOL_APPROVAL="writes") as story:
        story.upstream.scripts = [Answer(tool_calls=(Call("a", "book"),)), Answer(texts=("Done.",))]
        await answer(story, run_id, {"tool_call_id": "d", "result": "Friday"})
        await awaiting(story, conversation, 1)
        assert source.calls == []
        await answer(story, run_id, {"tool_call_id": "a", "approved": True})
        raw = (await story.http.get(f"/api/chat/runs/{run_id}/stream/")).content
    assert source.calls == [("book", {})]
    assert b"run.awaiting_approval" in raw


@pytest.mark.parametrize("approval", ["writes", "never"])
async def test_a_write_that_waited_for_others_and_was_never_made_is_told_so(
    sqlite_url: str, tmp_path: Path, approval: str
) -> None:
    source = booking(book=ToolPlay(hangs=True, writes=True))
    calls = tuple(Call(f"c{number}", "book") for number in range(5))
    async with opened(sqlite_url, tmp_path, source, GATEWAY_TOOLS_AT_ONCE="2") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=calls)]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tool_approval=approval))
        if approval == "writes":
            run_id = await awaiting(story, conversation, 5)
            await answer(story, run_id, *({"tool_call_id": call.id, "approved": True} for call in calls))
        async with asyncio.timeout(10):
            while len(source.calls) < 2:  # noqa: ASYNC110 - a tool notes it
                await asyncio.sleep(0.01)
        active = (await story.http.get(f"/api/chat/conversations/{conversation}/")).json()["active_run"]
        await story.http.post(f"/api/chat/runs/{active['id']}/cancel/")
        stream = await sending
        await assert_kept(story, conversation, stream)
    outcomes = [event["outcome"] for event in results(stream)]
    assert (outcomes.count("unknown"), outcomes.count("failed"), len(source.calls)) == (2, 3, 2)
    assert [kind for kind, _ in kinds(stream)].count("started") == 2


async def test_an_approval_that_never_comes_does_not_cut_a_call_that_is_under_way(
    sqlite_url: str, tmp_path: Path
) -> None:
    done = asyncio.Event()
    source = booking(book=ToolPlay(result={"booked": 1}, waits_for=done, writes=True))
    calls = (Call("a", "book"), Call("b", "pay"))
    async with opened(sqlite_url, tmp_path, source, GATEWAY_TOOL_WAIT_SECONDS="0.3") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=calls)]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, **WRITES))
        run_id = await awaiting(story, conversation, 2)
        await answer(story, run_id, {"tool_call_id": "a", "approved": True})
        asyncio.get_running_loop().call_later(0.6, done.set)
        stream = await sending
        await assert_kept(story, conversation, stream)
    assert stream.last["error_category"] == "tool_execution_error"
    assert {event["tool_result"]["tool_call_id"]: event["outcome"] for event in results(stream)} == {
        "a": "completed",
        "b": "failed",
    }
