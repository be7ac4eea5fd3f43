"""One run at a time: what is told, what is stored, and that both agree."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from app.db.session import Database
from app.errors import (
    GatewayError,
    ProviderOverloaded,
    all_errors,
)
from app.events import FinishReason, Usage
from app.providers.model import (
    ChatMessage,
    Finish,
    ReasoningTextDelta,
    TextDelta,
    ToolCallPiece,
    ToolSpec,
    UsageReport,
)
from app.runs.prompt import BUILT_IN_PROMPT
from app.secret import Secret
from tests.runs.desk import CONVERSATION, LIMITS, NOON, ending, events, open_desk, text_of, until
from tests.runs.scripted import STOP, Pause, ScriptedClient, words

WEATHER = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}]


async def test_an_answer_is_told_and_stored_alike(database: Database) -> None:
    script = [
        ReasoningTextDelta("hmm"),
        TextDelta("Ro"),
        TextDelta("me"),
        ToolCallPiece(0, "c1", "weather", '{"city"'),
        ToolCallPiece(0, None, None, ':"Rome"}'),
        UsageReport(Usage(input=9, output=5, cached=2)),
        Finish(FinishReason.TOOL_CALLS),
    ]
    async with open_desk(database, ScriptedClient(script)) as desk:
        run = await desk.send()
        told = await events(run)
        await desk.idle()
        asked, answer = await desk.stored()
        row = await desk.run_row(run)

    # Neighbours of one kind may be one event or several, as they came.
    assert [kind for kind, _ in itertools.groupby(event["type"] for event in told)] == [
        "run.started",
        "reasoning.delta",
        "message.delta",
        "tool_call.delta",
        "run.completed",
    ]
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert text_of(told) == answer.content == "Rome"
    assert told[-1]["usage"] == answer.usage == row.usage == Usage(input=9, output=5, cached=2).as_dict()
    assert told[-1]["finish_reason"] == answer.finish_reason == row.finish_reason == "tool_calls"
    assert answer.tool_calls == WEATHER
    assert (asked.role, asked.content, asked.seq) == ("user", "Where to?", 1)
    assert (answer.role, answer.status, answer.seq, answer.error) == ("assistant", "completed", 2, None)
    assert (row.status, row.error, row.finished_at) == ("completed", None, NOON)
    assert row.attempts is not None
    (attempt,) = row.attempts
    assert attempt == {
        "attempt": 1,
        "provider": "acme",
        "model": "acme-1",
        "lane": "native",
        "origin": "https://acme.example",
        "started_at": NOON.isoformat(),
        "ended_ms": attempt["ended_ms"],
        "ttft_ms": attempt["ttft_ms"],
        "waited_ms": None,
        "paused_ms": 0,
        "error": None,
        "upstream_status": None,
    }
    assert attempt["ttft_ms"] <= attempt["ended_ms"]
    assert answer.ttft_ms is not None
    assert answer.latency_ms is not None
    assert 0 <= answer.ttft_ms <= answer.latency_ms


async def test_the_model_is_sent_the_history_and_what_the_caller_chose(database: Database) -> None:
    client = ScriptedClient(words("Rome."))
    tool = ToolSpec(name="weather")
    async with open_desk(database, client) as desk:
        await ending(await desk.send("Where to?"))
        await desk.idle()
        run = await desk.send("And then?", provider="Acme ", model="acme-2", tools=(tool,), tool_choice="auto")
        await ending(run)

    request = client.requests[1]
    assert request.messages == (
        ChatMessage(role="system", content=BUILT_IN_PROMPT),
        ChatMessage(role="user", content="Where to?"),
        ChatMessage(role="assistant", content="Rome. "),
        ChatMessage(role="user", content="And then?"),
    )
    assert (request.route.model, request.tools, request.tool_choice) == ("acme-2", (tool,), "auto")
    assert request.session_id == str(CONVERSATION)
    assert request.api_key == Secret("sk-acme-instance")


async def test_of_a_long_conversation_the_model_is_sent_the_newest_turns(database: Database) -> None:
    client = ScriptedClient(words("yes"))
    limits = replace(LIMITS, max_history_messages=5)
    async with open_desk(database, client, limits=limits) as desk:
        for text in ("one", "two", "three"):
            await ending(await desk.send(text))
            await desk.idle()

    assert [message.content for message in client.requests[2].messages] == [BUILT_IN_PROMPT, "two", "yes ", "three"]


async def test_messages_keep_their_order_though_the_clock_stands_still(database: Database) -> None:
    async with open_desk(database, ScriptedClient(words("yes"))) as desk:
        for text in ("one", "two", "three"):
            await ending(await desk.send(text))
            await desk.idle()
        stored = await desk.stored()

    assert [(row.seq, row.content.strip()) for row in stored] == list(
        enumerate(["one", "yes", "two", "yes", "three", "yes"], start=1)
    )
    assert {row.created_at for row in stored} == {NOON}


@pytest.mark.parametrize(
    ("finish", "kind", "status", "code"),
    [
        (FinishReason.STOP, "run.completed", "completed", None),
        (FinishReason.LENGTH, "run.incomplete", "incomplete", None),
        (FinishReason.CONTENT_FILTER, "run.failed", "failed", "content_filtered"),
    ],
)
async def test_how_the_model_stopped_decides_the_status(
    database: Database, finish: FinishReason, kind: str, status: str, code: str | None
) -> None:
    async with open_desk(database, ScriptedClient([TextDelta("Ro"), Finish(finish)])) as desk:
        told = await ending(await desk.send())
        await desk.idle()
        answer = await desk.answer()

    assert (told["type"], told["finish_reason"], told.get("error_category")) == (kind, finish.value, code)
    assert (answer.status, answer.finish_reason, answer.content) == (status, finish.value, "Ro")
    assert (answer.error or {}).get("error_category") == code


async def test_cut_tool_arguments_are_a_cut_answer(database: Database) -> None:
    script = [TextDelta("Let me look."), ToolCallPiece(0, "c1", "weather", '{"city":'), STOP]
    client = ScriptedClient(script, words("Rome."))
    async with open_desk(database, client) as desk:
        told = await ending(await desk.send())
        await desk.idle()
        answer = await desk.answer()
        assert (await ending(await desk.send()))["type"] == "run.completed"

    assert (told["type"], told["error_category"]) == ("run.failed", "stream_interrupted")
    assert answer.tool_calls is not None
    assert answer.tool_calls[0]["function"]["arguments"] == '{"city":'
    assert client.requests[1].messages[2] == ChatMessage(role="assistant", content="Let me look.")


@pytest.mark.parametrize("kind", list(all_errors()))
async def test_every_failure_keeps_its_code_and_what_was_shown(database: Database, kind: type[GatewayError]) -> None:
    script = [TextDelta("Ro\ud83d"), ToolCallPiece(0, "c1", "weather", "{"), kind()]
    async with open_desk(database, ScriptedClient(script)) as desk:
        run = await desk.send()
        told = await ending(run)
        await desk.idle()
        answer = await desk.answer()
        row = await desk.run_row(run)

    assert (told["type"], told["error_category"]) == ("run.failed", kind.code)
    assert told["error"].startswith("Ro�\n\n⚠ ")
    assert told["error_detail"]["partial"] is True
    assert (told["error_detail"]["run_id"], told["error_detail"]["request_id"]) == (str(run.run_id), "req-1")
    assert (answer.content, answer.status, row.status) == ("Ro�", "failed", "failed")
    assert answer.error == row.error
    assert answer.error is not None
    assert answer.error["error"] == kind().sentence
    assert answer.error["error_detail"] == told["error_detail"]
    assert row.attempts is not None
    assert [attempt["error"] for attempt in row.attempts] == [kind.code]


async def test_a_bug_becomes_an_internal_error_and_tells_nothing(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    script = [TextDelta("Ro"), ValueError("Where to? sk-acme-instance")]
    async with open_desk(database, ScriptedClient(script)) as desk:
        told = await ending(await desk.send())
        await desk.idle()
        answer = await desk.answer()

    assert (told["error_category"], answer.status, answer.content) == ("internal_error", "failed", "Ro")
    logged = capsys.readouterr().out
    assert "ValueError" in logged
    assert "scripted.py" in logged
    assert "Where to?" not in logged + str(told)
    assert "sk-acme" not in logged + str(told)


async def test_an_end_without_the_models_own_is_no_end(database: Database) -> None:
    async with open_desk(database, ScriptedClient([TextDelta("Ro")])) as desk:
        told = await ending(await desk.send())

    assert told["error_category"] == "stream_interrupted"


async def test_the_provider_is_asked_again_before_the_first_token(database: Database) -> None:
    client = ScriptedClient(
        [ProviderOverloaded()], [UsageReport(Usage(input=1, output=0)), ProviderOverloaded()], words("Rome.")
    )
    async with open_desk(database, client) as desk:
        run = await desk.send()
        told = await events(run)
        await desk.idle()
        row = await desk.run_row(run)

    retrying = [event for event in told if event["type"] == "run.retrying"]
    assert [(event["attempt"], event["reason"]) for event in retrying] == [
        (2, "provider_overloaded"),
        (3, "provider_overloaded"),
    ]
    assert (text_of(told), told[-1]["type"], told[-1]["usage"]["estimated"]) == ("Rome. ", "run.completed", True)
    assert row.attempts is not None
    assert [(attempt["attempt"], attempt["error"]) for attempt in row.attempts] == [
        (1, "provider_overloaded"),
        (2, "provider_overloaded"),
        (3, None),
    ]


async def test_attempts_come_to_an_end(database: Database) -> None:
    client = ScriptedClient([ProviderOverloaded()])
    async with open_desk(database, client) as desk:
        told = await ending(await desk.send())

    assert (told["error_category"], len(client.requests)) == ("provider_overloaded", 3)
    assert not told["error"].startswith("\n")


@pytest.mark.parametrize("shown", [TextDelta("R"), ReasoningTextDelta("h"), ToolCallPiece(0, "c1", "weather", "")])
async def test_nothing_is_asked_twice_after_the_first_token(
    database: Database, shown: TextDelta | ReasoningTextDelta | ToolCallPiece
) -> None:
    client = ScriptedClient([shown, ProviderOverloaded()], words("Rome."))
    async with open_desk(database, client) as desk:
        told = await ending(await desk.send())

    assert (told["error_category"], len(client.requests)) == ("provider_overloaded", 1)


async def test_a_reader_that_leaves_does_not_end_the_run(database: Database) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([TextDelta("Ro"), pause, TextDelta("me"), STOP])) as desk:
        run = await desk.send()
        reader = asyncio.create_task(events(run))
        await pause.reached.wait()
        reader.cancel()
        await asyncio.wait({reader})
        pause.release.set()
        await desk.idle()
        answer = await desk.answer()

        assert text_of(await events(run)) == "Rome"

    assert (answer.status, answer.content) == ("completed", "Rome")


async def test_a_caller_that_leaves_at_once_does_not_end_the_run(database: Database) -> None:
    async with open_desk(database, ScriptedClient(words("Rome."))) as desk:
        sending = asyncio.create_task(desk.send())
        await until(lambda: desk.hub.count == 1)  # the settings are read first
        sending.cancel()
        await asyncio.wait({sending})
        assert sending.cancelled()
        await desk.idle()
        answer = await desk.answer()

    assert (answer.status, answer.content) == ("completed", "Rome. ")
