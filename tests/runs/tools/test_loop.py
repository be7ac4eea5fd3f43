"""Tools through the whole gateway: what the model is sent, what the person sees, and what a reload gives."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.providers.provider import Wire
from app.tools.tool import OutcomeUnknown, ToolUnavailable
from tests.runs.tools.talk import CHAT, answer, assert_well_formed, awaiting, opened, results, sent
from tests.tools.scripted import CITY, Away, Scripted, ToolPlay
from tests.upstream import Answer, Call


async def test_one_round_is_exact_in_the_stream_for_the_model_and_after_a_reload(
    database_url: str, tmp_path: Path
) -> None:
    source = Scripted({"get_weather": ToolPlay(result={"results": [{"available": True}]}, parameters=CITY)})
    pieces = tuple('{"city": "' + "Zürich 🏔️ " * 5 + '"}')
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [
            Answer(texts=("Let me see. ",), tool_calls=(Call("call_1", "get_weather", pieces),)),
            Answer(texts=("It is ", "sunny.")),
            Answer(texts=("Yes.",)),
        ]
        stream = await story.send(conversation, provider=CHAT)
        stored = await story.messages(conversation)
        await story.send(conversation, provider=CHAT, message="Sure?")

    assert len(pieces) >= 50
    assert source.calls == [("get_weather", {"city": "Zürich 🏔️ " * 5})]
    assert source.sessions == 0
    assert stream.last["type"] == "run.completed"
    assert stream.shown.bubble == "Let me see. It is sunny."
    wanted = {"tool_call_id": "call_1", "name": "get_weather", "result": {"results": [{"available": True}]}}
    assert stream.shown.tool_results == [wanted]
    assert [(row["role"], row["content"]) for row in stored] == [
        ("user", "Where to?"),
        ("assistant", "Let me see. "),
        ("tool", '{"results":[{"available":true}]}'),
        ("assistant", "It is sunny."),
    ]
    assert [stored[1]["tool_calls"][0]["id"], stored[2]["tool_call_id"], stored[2]["name"]] == [
        "call_1",
        "call_1",
        "get_weather",
    ]
    assert [row["id"] for row in (stored[1], stored[3])] == stream.last["message_ids"]
    assert [tool["function"]["name"] for tool in story.upstream.calls[0].body["tools"]] == ["get_weather"]
    assert_well_formed(sent(story, 1))
    assert sent(story, 1)[-1]["content"] == '{"results":[{"available":true}]}'
    assert_well_formed(sent(story, 2))
    assert [message["role"] for message in sent(story, 2)] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert stream.last["usage"]["input"] == 2 * stored[3]["usage"]["input"]


async def test_parallel_calls_finish_in_any_order_and_keep_theirs(sqlite_url: str, tmp_path: Path) -> None:
    first, second = asyncio.Event(), asyncio.Event()
    source = Scripted(
        {
            "one": ToolPlay(result={"n": 1}, waits_for=first),
            "two": ToolPlay(result={"n": 2}, waits_for=second, lets_go=first),
            "three": ToolPlay(result={"n": 3}, lets_go=second),
        }
    )
    calls = tuple(Call(f"call_{name}", name) for name in ("one", "two", "three"))
    async with opened(sqlite_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(texts=(), tool_calls=calls, interleaved=True), Answer()]
        stream = await story.send(conversation, provider=CHAT)
        stored = await story.messages(conversation)

    assert [event["tool_result"]["name"] for event in results(stream)] == ["three", "two", "one"]
    assert_well_formed(sent(story))
    assert [json.loads(message["content"])["n"] for message in sent(story)[-3:]] == [1, 2, 3]
    assert [json.loads(row["content"])["n"] for row in stored if row["role"] == "tool"] == [1, 2, 3]


ODD = {
    "broken JSON": (Call("a", "tool", ('{"city": ',)), ToolPlay(), "failed", "no JSON object"),
    "a list in place of an object": (Call("a", "tool", ("[1]",)), ToolPlay(), "failed", "no JSON object"),
    "unknown tool": (Call("a", "other"), ToolPlay(), "failed", "Unknown tool: other"),
    "missing argument": (Call("a", "tool"), ToolPlay(parameters=CITY), "failed", "city is required"),
    "wrong type": (
        Call("a", "tool", ('{"city": 3}',)),
        ToolPlay(parameters=CITY),
        "failed",
        "must be of type string",
    ),
    "failure": (Call("a", "tool"), ToolPlay(result={"error": "Full."}, failed=True), "failed", "Full."),
    "away": (Call("a", "tool"), ToolPlay(raises=ToolUnavailable("Not there.")), "failed", "Not there."),
    "bug": (Call("a", "tool"), ToolPlay(raises=KeyError("x")), "failed", "The tool failed."),
    "unknown outcome of a read": (Call("a", "tool"), ToolPlay(raises=OutcomeUnknown()), "failed", "did not answer"),
    "unknown outcome of a write": (
        Call("a", "tool"),
        ToolPlay(raises=OutcomeUnknown(), writes=True),
        "unknown",
        "not known whether",
    ),
    "no JSON": (Call("a", "tool"), ToolPlay(result=object()), "failed", "no JSON"),
    "five megabytes": (Call("a", "tool"), ToolPlay(result="x" * 5_000_000), "failed", "too large"),
    "a list": (Call("a", "tool"), ToolPlay(result=[1, "two"]), "completed", "two"),
    "nothing": (Call("a", "tool"), ToolPlay(result=None), "completed", "null"),
    "missing id": (Call("", "tool"), ToolPlay(result={"n": 1}), "completed", "1"),
}


async def test_what_goes_wrong_goes_to_the_model_and_to_the_person(sqlite_url: str, tmp_path: Path) -> None:
    source = Scripted({"tool": ToolPlay()})
    async with opened(sqlite_url, tmp_path, source) as story:
        for case, (call, play, outcome, said) in ODD.items():
            source.plays["tool"] = play
            conversation = await story.conversation()
            story.upstream.scripts = [Answer(texts=("Hm. ",), tool_calls=(call,)), Answer(texts=("So.",)), Answer()]
            stream = await story.send(conversation, provider=CHAT)
            again = await story.send(conversation, provider=CHAT)
            stored = await story.messages(conversation)

            (shown,) = results(stream)
            assert shown["outcome"] == outcome, case
            assert said in json.dumps(shown["tool_result"]["result"]), case
            assert (stream.last["type"], stream.shown.bubble) == ("run.completed", "Hm. So.")
            for number in (-2, -1):
                assert_well_formed(sent(story, number))
                results_sent = [message["content"] for message in sent(story, number) if message["role"] == "tool"]
                assert said in results_sent[0], case
            assert again.last["type"] == "run.completed"
            assert json.loads(stored[2]["content"]) == shown["tool_result"]["result"]
            assert stored[2]["tool_call_id"] == shown["tool_result"]["tool_call_id"]


async def test_a_tool_that_hangs_is_given_up_and_ends_with_a_cancelled_run(sqlite_url: str, tmp_path: Path) -> None:
    source = Scripted({"hang": ToolPlay(hangs=True), "write": ToolPlay(hangs=True, writes=True)})
    calls = (Call("a", "hang"), Call("b", "write"))
    async with opened(sqlite_url, tmp_path, source, GATEWAY_TOOL_CALL_SECONDS="0.2") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=calls), Answer(texts=("So.",))]
        stream = await story.send(conversation, provider=CHAT)
    assert stream.last["type"] == "run.completed"
    assert sorted(event["outcome"] for event in results(stream)) == ["failed", "unknown"]
    assert sorted(source.cancelled) == ["hang", "write"]

    source.cancelled.clear()
    source.called.clear()
    async with opened(sqlite_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=calls), Answer(texts=("So.",))]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT))
        await source.called.wait()
        active = (await story.http.get(f"/api/chat/conversations/{conversation}/")).json()["active_run"]
        assert (await story.http.post(f"/api/chat/runs/{active['id']}/cancel/")).status_code == 202
        stream = await sending
        stored = await story.messages(conversation)
        again = await story.send(conversation, provider=CHAT)
    assert stream.last["type"] == "run.cancelled"
    assert sorted(event["outcome"] for event in results(stream)) == ["failed", "unknown"]
    assert sorted(source.cancelled) == ["hang", "write"]
    assert [row["role"] for row in stored] == ["user", "assistant", "tool", "tool", "assistant"]
    assert json.loads(stored[3]["content"])["outcome"] == "unknown"
    assert again.last["type"] == "run.completed"
    assert_well_formed(sent(story))


async def test_ids_that_come_again_are_made_anew(sqlite_url: str, tmp_path: Path) -> None:
    source = Scripted({"tool": ToolPlay(result={"n": 1})})
    same = (Call("call_0", "tool"), Call("call_0", "tool"))
    async with opened(sqlite_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=same), Answer(tool_calls=same[:1]), Answer(texts=("So.",))]
        stream = await story.send(conversation, provider=CHAT)
        stored = await story.messages(conversation)
    assert len(source.calls) == 3
    assert len(stream.shown.tool_results) == 3
    assert_well_formed(sent(story))
    assert len({row["tool_call_id"] for row in stored if row["role"] == "tool"}) == 3


async def test_an_endless_loop_ends_with_its_code_and_nothing_is_lost(sqlite_url: str, tmp_path: Path) -> None:
    source = Scripted({"tool": ToolPlay(result={"n": 1})})
    async with opened(sqlite_url, tmp_path, source, GATEWAY_TOOL_ROUNDS="3") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [
            *(Answer(texts=(f"{number}. ",), tool_calls=(Call("c", "tool"),)) for number in range(4)),
            Answer(texts=("So.",)),
        ]
        stream = await story.send(conversation, provider=CHAT)
        stored = await story.messages(conversation)
        again = await story.send(conversation, provider=CHAT)
    assert (stream.last["type"], stream.last["error_category"]) == ("run.failed", "tool_loop_limit")
    assert len(source.calls) == len(stream.shown.tool_results) == 3
    said = "".join(row["content"] for row in stored if row["role"] == "assistant")
    assert said.startswith("0. 1. 2. 3. ")
    assert stream.shown.bubble.startswith("0. 1. 2. 3. ")
    assert again.last["type"] == "run.completed"
    assert_well_formed(sent(story))


async def test_a_source_that_is_away_is_told_and_the_answer_goes_on(sqlite_url: str, tmp_path: Path) -> None:
    source = Scripted({"tool": ToolPlay(result={"n": 1})})
    async with opened(sqlite_url, tmp_path, Away(), source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=(Call("c", "tool"),)), Answer(texts=("So.",))]
        stream = await story.send(conversation, provider=CHAT)
    (missing,) = [event for event in stream.events if event["type"] == "tools.unavailable"]
    assert (missing["source"], missing["reason"]) == ("away", Away.reason)
    assert stream.last["type"] == "run.completed"
    assert len(results(stream)) == 1


async def test_a_message_that_waits_follows_the_whole_answer(database_url: str, tmp_path: Path) -> None:
    go = asyncio.Event()
    source = Scripted({"tool": ToolPlay(result={"n": 1}, waits_for=go)})
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [
            Answer(texts=("One. ",), tool_calls=(Call("c", "tool"),)),
            Answer(texts=("Two.",), tool_calls=(Call("c", "tool"),)),
            Answer(texts=("Three.",)),
            Answer(texts=("Four.",)),
        ]
        first = asyncio.create_task(story.send(conversation, provider=CHAT))
        await source.called.wait()
        second = asyncio.create_task(story.send(conversation, provider=CHAT, message="And?", on_conflict="enqueue"))
        async with asyncio.timeout(10):
            while len(await story.messages(conversation)) < 5:  # noqa: ASYNC110 - what another request has stored
                await asyncio.sleep(0.01)
        go.set()
        await asyncio.gather(first, second)
        stored = await story.messages(conversation)
    assert [message["role"] for message in sent(story)] == [
        *("system", "user"),
        *("assistant", "tool", "assistant", "tool", "assistant"),
        "user",
    ]
    assert [row["content"] for row in stored if row["role"] != "tool"] == [
        "Where to?",
        "One. ",
        "Two.",
        "Three.",
        "And?",
        "Four.",
    ]


OWN: dict[str, Any] = {
    "type": "function",
    "function": {"name": "pick_date", "parameters": {"type": "object", "properties": {"month": {"type": "string"}}}},
}


async def test_the_caller_carries_its_own_tools_out_and_the_answer_goes_on(database_url: str, tmp_path: Path) -> None:
    source = Scripted({"look": ToolPlay(result={"n": 1})})
    calls = (Call("a", "pick_date", ('{"month": "May"}',)), Call("b", "look"), Call("c", "pick_date"))
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(texts=("When? ",), tool_calls=calls), Answer(texts=("In May.",)), Answer()]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tools=[OWN]))
        run_id = await awaiting(story, conversation, 2)
        busy = await story.http.post(f"/api/chat/conversations/{conversation}/send_message/", json={"message": "Hi"})
        refused = [
            await answer(story, run_id, {"tool_call_id": "x", "result": 1}),
            await answer(story, run_id, {"tool_call_id": "b", "result": 1}),
        ]
        first = await answer(story, run_id, {"tool_call_id": "a", "result": {"date": "2027-05-03"}})
        same = await answer(story, run_id, {"tool_call_id": "a", "result": {"date": "2027-05-03"}})
        other = await answer(story, run_id, {"tool_call_id": "a", "result": {"date": "2027-05-04"}})
        last = await answer(story, run_id, {"tool_call_id": "c", "error": "The person closed the calendar."})
        stream = await sending
        late = await answer(story, run_id, {"tool_call_id": "a", "result": {"date": "2027-05-03"}})
        stored = await story.messages(conversation)
        await story.send(conversation, provider=CHAT, message="Sure?")

    assert busy.status_code == 409
    assert [(one.status_code, one.json()["error_category"]) for one in refused] == [
        (400, "validation_error"),
        (409, "validation_error"),
    ]
    assert (first.status_code, first.json()["awaited"]) == (same.status_code, same.json()["awaited"]) == (202, ["c"])
    assert other.status_code == 409
    assert (last.status_code, last.json()["awaited"], late.status_code) == (202, [], 202)
    (asked,) = [event for event in stream.events if event["type"] == "run.awaiting_tools"]
    assert asked["awaited"] == [
        {"tool_call_id": "a", "name": "pick_date", "arguments": '{"month":"May"}'},
        {"tool_call_id": "c", "name": "pick_date", "arguments": "{}"},
    ]
    assert {event["tool_result"]["tool_call_id"]: event["outcome"] for event in results(stream)} == {
        "a": "completed",
        "b": "completed",
        "c": "failed",
    }
    assert (stream.last["type"], stream.text) == ("run.completed", "When? In May.")
    assert_well_formed(sent(story, 1))
    assert [message["content"] for message in sent(story, 1)[-3:]] == [
        '{"date":"2027-05-03"}',
        '{"n":1}',
        '{"error":"The person closed the calendar."}',
    ]
    assert [row["role"] for row in stored] == ["user", "assistant", "tool", "tool", "tool", "assistant"]
    assert_well_formed(sent(story, 2))


async def test_a_run_waits_over_a_restart_and_goes_on_with_the_results(database_url: str, tmp_path: Path) -> None:
    calls = (Call("a", "pick_date"), Call("b", "pick_date"))
    async with opened(database_url, tmp_path, GATEWAY_SHUTDOWN_GRACE_SECONDS="0.1") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(texts=("When? ",), tool_calls=calls)]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tools=[OWN]))
        run_id = await awaiting(story, conversation, 2)
        assert (await answer(story, run_id, {"tool_call_id": "a", "result": 1})).status_code == 202
    await asyncio.wait({sending})  # cut, or told where to read on
    assert sending.exception() is not None or sending.result().last["type"] == "stream.detached"
    async with opened(database_url, tmp_path) as story:
        story.upstream.scripts = [Answer(texts=("In May.",)), Answer()]
        assert await awaiting(story, conversation, 1) == run_id
        assert (await answer(story, run_id, {"tool_call_id": "b", "result": 2})).json()["awaited"] == []
        raw = (await story.http.get(f"/api/chat/runs/{run_id}/stream/")).content
        stored = await story.messages(conversation)
        run = (await story.http.get(f"/api/chat/runs/{run_id}/")).json()
        events = [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: {")]
        await story.send(conversation, provider=CHAT, message="Sure?")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "".join(event.get("content", "") for event in events) == "When? In May."
    shown = {event["tool_result"]["tool_call_id"]: event for event in events if event["type"] == "tool.result"}
    assert {id_: (one["outcome"], one["tool_result"]["result"]) for id_, one in shown.items()} == {
        "a": ("completed", 1),
        "b": ("completed", 2),
    }
    assert {one["message_id"] for one in shown.values()} == {stored[1]["id"]}
    assert events[-1]["type"] == "run.completed"
    assert [row["content"] for row in stored] == ["Where to?", "When? ", "1", "2", "In May."]
    assert (run["status"], len(run["attempts"])) == ("completed", 2)
    assert [tool["function"]["name"] for tool in story.upstream.calls[0].body["tools"]] == ["pick_date"]
    assert_well_formed(sent(story, 0))
    assert_well_formed(sent(story, 1))


async def test_a_caller_that_does_not_answer_ends_the_run_and_may_cancel_it(sqlite_url: str, tmp_path: Path) -> None:
    async with opened(sqlite_url, tmp_path, GATEWAY_TOOL_WAIT_SECONDS="0.2") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=(Call("a", "pick_date"),)), Answer(texts=("So.",))]
        stream = await story.send(conversation, provider=CHAT, tools=[OWN])
        again = await story.send(conversation, provider=CHAT)
    assert (stream.last["type"], stream.last["error_category"]) == ("run.failed", "tool_execution_error")
    assert again.last["type"] == "run.completed"
    assert_well_formed(sent(story))

    async with opened(sqlite_url, tmp_path) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=(Call("a", "pick_date"),)), Answer(texts=("So.",))]
        sending = asyncio.create_task(story.send(conversation, provider=CHAT, tools=[OWN]))
        run_id = await awaiting(story, conversation, 1)
        await story.http.post(f"/api/chat/runs/{run_id}/cancel/")
        stream = await sending
        late = await answer(story, run_id, {"tool_call_id": "a", "result": 1})
        again = await story.send(conversation, provider=CHAT)
    assert stream.last["type"] == "run.cancelled"
    assert late.status_code == 409
    assert again.last["type"] == "run.completed"
    assert_well_formed(sent(story))


@pytest.mark.parametrize("turns", [8, pytest.param(60, marks=pytest.mark.prove)])
async def test_a_run_that_is_cancelled_at_any_moment_leaves_no_call_open(
    database_url: str, tmp_path: Path, turns: int
) -> None:
    source = Scripted({"look": ToolPlay(result={"n": 1}), "write": ToolPlay(result={"n": 2}, writes=True)})
    calls = (Call("a", "look"), Call("b", "write"))
    ends: set[str] = set()
    async with opened(database_url, tmp_path, source) as story:
        for turn in range(turns):
            conversation = await story.conversation()
            story.upstream.scripts = [Answer(texts=("One. ",), tool_calls=calls), Answer(texts=("Two. ",), delay=0.02)]
            sending = asyncio.create_task(story.send(conversation, provider=CHAT))
            await asyncio.sleep(turn * 0.024 / turns)
            active = (await story.http.get(f"/api/chat/conversations/{conversation}/")).json()["active_run"]
            if active is not None:
                await story.http.post(f"/api/chat/runs/{active['id']}/cancel/")
            stream = await sending
            ends.add(stream.last["type"])
            stored = await story.messages(conversation)
            kept = {row["tool_call_id"]: json.loads(row["content"]) for row in stored if row["role"] == "tool"}
            shown = {one["tool_result"]["tool_call_id"]: one["tool_result"]["result"] for one in results(stream)}
            assert shown == kept
            assert "".join(row["content"] for row in stored if row["role"] == "assistant") == stream.text
    assert ends <= {"run.cancelled", "run.completed"}


PLACES = {
    "location": "Porto",
    "category": "food",
    "results": [
        {"name": "Café", "address": "Rua 1", "latitude": 41.1, "longitude": -8.6, "link": "https://cafe.example/"}
    ],
}


def reloaded(stored: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the results that the frontend attaches to the messages after a reload."""
    calls = {call["id"] for row in stored for call in row["tool_calls"] or ()}
    return [
        {"tool_call_id": row["tool_call_id"], "name": row["name"], "result": json.loads(row["content"])}
        for row in stored
        if row["role"] == "tool" and row["tool_call_id"] in calls
    ]


async def test_a_round_with_success_and_failure_shows_the_same_cards_live_and_after_a_reload(
    database_url: str, tmp_path: Path
) -> None:
    source = Scripted(
        {
            "search_places": ToolPlay(result=PLACES, parameters=CITY | {"required": []}),
            "get_weather": ToolPlay(result={"error": "latitude and longitude are required"}, failed=True),
            "list_trips": ToolPlay(result={"trips": []}),
        }
    )
    first = (Call("a", "search_places", ("{", "}")), Call("b", "get_weather", ('{"dates"', ": []}")))
    async with opened(database_url, tmp_path, source) as story:
        conversation = await story.conversation()
        story.upstream.scripts = [
            Answer(texts=("Looking. ",), tool_calls=first, interleaved=True, split=7),
            Answer(texts=("And trips. ",), tool_calls=(Call("a", "list_trips"),)),
            Answer(texts=("Here.",)),
        ]
        stream = await story.send(conversation, provider=CHAT)
        stored = await story.messages(conversation)

    assert stream.shown.bubble == "Looking. And trips. Here."
    names = [one["name"] for one in stream.shown.tool_results]
    assert (set(names[:2]), names[2:]) == ({"search_places", "get_weather"}, ["list_trips"])
    by_id = {one["tool_call_id"]: one for one in stream.shown.tool_results}
    assert {one["tool_call_id"]: one for one in reloaded(stored)} == by_id
    assert by_id["a"]["result"] == PLACES
    assert "".join(row["content"] for row in stored if row["role"] == "assistant") == stream.shown.bubble
    assert [row["role"] for row in stored] == ["user", "assistant", "tool", "tool", "assistant", "tool", "assistant"]


async def test_a_model_is_told_the_beginning_of_a_large_result_also_in_later_turns(
    sqlite_url: str, tmp_path: Path
) -> None:
    source = Scripted({"look": ToolPlay(result={"text": "x" * 50_000})})
    async with opened(sqlite_url, tmp_path, source, GATEWAY_TOOL_RESULT_CHARS="1000") as story:
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=(Call("a", "look"),)), Answer(texts=("So.",)), Answer()]
        stream = await story.send(conversation, provider=CHAT)
        await story.send(conversation, provider=CHAT)
    assert len(results(stream)[0]["tool_result"]["result"]["text"]) == 50_000
    told = [[one["content"] for one in sent(story, number) if one["role"] == "tool"] for number in (1, 2)]
    assert told[0] == told[1]
    assert told[0][0].endswith(" [cut here: the result has 50011 characters]")
    assert len(told[0][0]) < 1100


async def test_geminis_signature_comes_back_with_its_call(sqlite_url: str, tmp_path: Path) -> None:
    """Newer models of Google's refuse the step after a call without it."""
    gemini, signature = Wire.GEMINI.value, "c2lnbmF0dXJl" * 400
    source = Scripted({"look": ToolPlay(result={"n": 1})})
    calls = (Call("", "pick_date"), Call("", "look"))
    async with opened(sqlite_url, tmp_path, source) as story:
        await story.store_key(gemini)
        conversation = await story.conversation()
        story.upstream.scripts = [Answer(tool_calls=calls, signature=signature), Answer(texts=("So.",)), Answer()]
        sending = asyncio.create_task(story.send(conversation, provider=gemini, tools=[OWN]))
        run_id = await awaiting(story, conversation, 1)
        (waiting,) = (await story.http.get(f"/api/chat/runs/{run_id}/")).json()["awaited"]
        assert (await answer(story, run_id, {"tool_call_id": waiting["tool_call_id"], "result": 1})).status_code == 202
        stream = await sending
        await story.send(conversation, provider=gemini, message="Sure?")
    assert stream.last["type"] == "run.completed"
    for number in (1, 2):
        contents = story.upstream.calls[number].body["contents"]
        made, results_ = contents[1]["parts"], contents[2]["parts"]
        assert [part.get("thoughtSignature") for part in made if "functionCall" in part] == [signature, None]
        ids = [part["functionCall"]["id"] for part in made if "functionCall" in part]
        assert [part["functionResponse"]["id"] for part in results_ if "functionResponse" in part] == ids


async def test_two_sources_of_one_name_both_give_their_tools(sqlite_url: str, tmp_path: Path) -> None:
    sources = (Scripted({"look": ToolPlay(result={"n": 1})}), Scripted({"see": ToolPlay(result={"n": 2})}))
    async with opened(sqlite_url, tmp_path, *sources) as story:
        listed = (await story.http.get("/api/chat/capabilities/")).json()["tools"]
    assert [tool["name"] for tool in listed] == ["look", "see"]
