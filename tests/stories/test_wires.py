"""A conversation through the whole gateway on each wire: exact in the stream and in the database, true to its end."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from app.events import Usage
from app.providers.provider import Lane, Wire
from tests.stories.gateway import KEY, Story, gateway
from tests.upstream import BY_NAME, FAULTS, Answer, Call, Fault

WIRES = list(Wire)
TEXTS = ("Grüße aus ", "東京", " 🧭🏔️", '\n\n“Ende” \\ {"a": 1}')
CALLS = (
    Call("call_a", "get_weather", ('{"ci', 'ty": "Zü', 'rich"}')),
    Call("call_b", "search_places", ('{"city"', ': "東京"}')),
)
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("get_weather", "search_places")
]


@pytest.fixture
async def story(sqlite_url: str, tmp_path: Path, lane: Lane) -> AsyncGenerator[Story]:
    async with gateway(
        sqlite_url, tmp_path, idle_s=1.0, GATEWAY_MAX_ANSWER_CHARS="20000", GATEWAY_LANE=lane.value
    ) as opened:
        yield opened


@pytest.mark.parametrize("wire", WIRES)
async def test_a_conversation_is_exact_in_the_stream_and_in_the_database(story: Story, wire: Wire) -> None:
    await story.store_key(wire.value)
    conversation = await story.conversation()
    story.upstream.scripts = [
        Answer(texts=TEXTS, split=1, usage=Usage(input=21, output=9)),
        Answer(texts=("Moment.",), tool_calls=CALLS, interleaved=True, split=3),
        Answer(texts=("And now?",)),
    ]

    first = await story.send(conversation, provider=wire.value, message="  Hallo 🌍  ")
    second = await story.send(conversation, provider=wire.value, tools=TOOLS, tool_results="end")
    third = await story.send(conversation, provider=wire.value)

    assert first.raw.endswith(b"data: [DONE]\n\n")
    assert (first.text, first.shown.bubble) == ("".join(TEXTS), "".join(TEXTS))
    assert first.last["type"] == "run.completed"
    assert (first.last["usage"]["input"], first.last["usage"]["output"]) == (21, 9)
    assert [event["seq"] for event in first.events] == list(range(1, len(first.events) + 1))
    made = [(call["name"], json.loads(call["arguments"])) for call in second.calls]
    assert made == [(call.name, json.loads(call.arguments)) for call in CALLS]
    assert (second.last["type"], second.last["finish_reason"]) == ("run.completed", "tool_calls")
    assert third.last["type"] == "run.completed"
    stored = await story.messages(conversation)
    assert [(row["seq"], row["role"]) for row in stored] == [
        (number, role) for number, role in enumerate(["user", "assistant"] * 3, start=stored[0]["seq"])
    ]
    assert [row["content"] for row in stored] == [
        "Hallo 🌍",
        "".join(TEXTS),
        "Where to?",
        "Moment.",
        "Where to?",
        "And now?",
    ]
    assert stored[1]["usage"]["input"] == 21
    assert [
        (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in stored[3]["tool_calls"]
    ] == made
    assert [recorded.api_key for recorded in story.upstream.calls] == [KEY] * 3


def cells(*, every: bool) -> list[tuple[Fault, Wire]]:
    """Give the cells of the fault table; the sample has each fault on one wire and each wire with many faults."""
    return [
        (fault, wire)
        for number, fault in enumerate(FAULTS)
        for place, wire in enumerate(WIRES)
        if wire in fault.wires and (every or place == number % len(WIRES) or len(fault.wires) == 1)
    ]


async def check_fault(story: Story, fault: Fault, wire: Wire) -> None:
    """Send one message into `fault`: the right code, the partial text kept, and nothing called complete."""
    conversation = await story.conversation()
    story.upstream.script = fault
    expected = fault.expects(wire)

    stream = await story.send(conversation, provider=wire.value)

    assert stream.response.status_code == 200
    assert stream.raw.endswith(b"data: [DONE]\n\n")
    assert sum(event["type"].startswith("run.") and "status" in event for event in stream.events) == 1
    stored = (await story.messages(conversation))[-1]
    assert stored["text"] == stream.text
    assert stored["content"] == (stream.events[-1].get("error") or stream.text)
    if fault.before_text:
        assert stream.text.startswith("Hello")
    if expected is None:
        assert stored["status"] == stream.last["status"] == "completed"
        return
    assert stream.last["type"] == "run.failed"
    assert stream.last["error_category"] == stream.last["error_detail"]["code"] == expected
    assert stream.last["error"].startswith(stream.text)
    assert stream.shown.bubble == stream.last["error"]
    assert (stored["status"], stored["error"]["error_category"]) == ("failed", expected)
    story.upstream.script = Answer(texts=("Fine.",))
    assert (await story.send(conversation, provider=wire.value)).last["status"] == "completed"


async def check_faults(story: Story, wire: Wire, *, every: bool) -> int:
    await story.store_key(wire.value)
    played = [fault for fault, place in cells(every=every) if place is wire]
    for fault in played:
        await check_fault(story, fault, wire)
    return len(played)


@pytest.mark.parametrize("wire", WIRES)
async def test_faults_have_their_code_and_lose_nothing(story: Story, wire: Wire) -> None:
    assert await check_faults(story, wire, every=False) > 10


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("wire", WIRES)
async def test_all_faults_have_their_code_and_lose_nothing(story: Story, wire: Wire) -> None:
    print(f"{wire.value}: {await check_faults(story, wire, every=True)} faults")  # noqa: T201 - the proof's figure


async def test_a_failed_first_attempt_is_retried_before_the_first_token_only(sqlite_url: str, tmp_path: Path) -> None:
    async with gateway(sqlite_url, tmp_path, GATEWAY_MAX_ATTEMPTS="3") as story:
        await story.store_key("openai_chat")
        conversation = await story.conversation()
        story.upstream.scripts = [BY_NAME["err502"], Answer(texts=("Here.",))]

        retried = await story.send(conversation, provider="openai_chat")
        story.upstream.script = BY_NAME["dropmid"]
        cut = await story.send(conversation, provider="openai_chat")

        assert [event["type"] for event in retried.events][:2] == ["run.started", "run.retrying"]
        assert (retried.text, retried.last["status"]) == ("Here.", "completed")
        assert cut.last["error_category"] == "stream_interrupted"
        assert len(story.upstream.calls) == 3
