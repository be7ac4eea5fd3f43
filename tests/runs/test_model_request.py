"""How much of a conversation the model is sent."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.session import Database
from app.providers.model import ChatMessage, TextDelta, ToolCall, ToolSpec
from app.providers.model_lookup import ModelLookup
from app.providers.models_cache import ModelsCache
from app.providers.provider import Provider
from app.providers.transport import Transport
from app.runs.estimate import message_tokens
from app.runs.history import to_chat_messages
from app.runs.model_request import FILLED, fit, last_turn
from app.secret import Secret
from tests.providers.list_pages import serving_pages
from tests.runs.desk import KEYLESS, LIMITS, OTHER, PROVIDER, Desk, ending, events, open_desk
from tests.runs.scripted import STOP, ScriptedClient, words
from tests.runs.test_history import ROWS, row

SYSTEM = ChatMessage(role="system", content="x" * 40)


def user(size: int) -> ChatMessage:
    return ChatMessage(role="user", content="x" * size)


def assistant(size: int, *calls: ToolCall) -> ChatMessage:
    return ChatMessage(role="assistant", content="x" * size, tool_calls=calls)


CALL = ToolCall(id="c1", name="noop", arguments="{}")
RESULT = ChatMessage(role="tool", content="x" * 40, tool_call_id="c1", name="noop")
WHOLE = (SYSTEM, user(400), assistant(400), user(40), assistant(0, CALL), RESULT, user(40))


def window(*messages: ChatMessage) -> int:
    """Give the smallest window that these fit into."""
    needed = sum(map(message_tokens, messages))
    return next(size for size in range(needed, needed * 2) if size * FILLED >= needed)


def test_without_a_known_window_all_of_it_is_sent() -> None:
    assert fit(WHOLE, None) == WHOLE
    assert fit(WHOLE, window(*WHOLE)) == WHOLE


def test_the_oldest_turns_are_left_out_whole() -> None:
    assert fit(WHOLE, window(*WHOLE) - 1) == (SYSTEM, *WHOLE[3:])
    assert fit(WHOLE, window(SYSTEM, *WHOLE[3:])) == (SYSTEM, *WHOLE[3:])
    assert fit(WHOLE, window(SYSTEM, *WHOLE[3:]) - 1) == (SYSTEM, WHOLE[6]), "a call and its result go together"
    assert fit(WHOLE, window(SYSTEM, WHOLE[6])) == (SYSTEM, WHOLE[6])


def test_one_message_that_is_too_long_fits_nowhere() -> None:
    assert fit(WHOLE, window(SYSTEM, WHOLE[6]) - 1) is None
    assert fit((SYSTEM,), window(SYSTEM)) == (SYSTEM,)


@given(ROWS, st.integers(1, 200))
def test_whatever_is_left_out_the_rest_is_well_formed(stored: list[dict[str, Any]], size: int) -> None:
    rows = [row(1, "user", "first"), *(row(seq, **one) for seq, one in enumerate(stored, 2))]
    whole = to_chat_messages(rows, "Be brief.")

    fitting = fit(whole, size)

    last = max(at for at, message in enumerate(whole) if message.role == "user")
    least = (whole[0], *whole[last:])
    if fitting is None:
        assert sum(map(message_tokens, least)) > size * FILLED
        return
    assert sum(map(message_tokens, fitting)) <= size * FILLED
    kept = len(fitting) - 1
    assert fitting == (whole[0], *whole[len(whole) - kept :]), "the system prompt and an unbroken end"
    assert fitting[1].role == "user"
    assert kept >= len(least) - 1
    for at, message in enumerate(fitting):
        ids = [call.id for call in message.tool_calls]
        results = fitting[at + 1 : at + 1 + len(ids)]
        assert [(one.role, one.tool_call_id) for one in results] == [("tool", id_) for id_ in ids]
        if message.role == "tool":
            before = [one for one in fitting[:at] if one.role == "assistant"]
            assert message.tool_call_id in {call.id for call in before[-1].tool_calls}


# --- in a run


async def small(desk: Desk, client: ScriptedClient, *, turns: int) -> int:
    """Have a conversation of so many turns, and give the window that its last two and a short one fit into."""
    for number in range(turns):
        await ending(await desk.send(f"Question {number} " + "x" * 4_000))
    sent = client.requests[-1].messages
    return window(sent[0], *sent[-1:], assistant(4), *sent[-1:])


async def test_what_was_left_out_is_said_before_the_answer(database: Database) -> None:
    client = ScriptedClient(words("Yes."))
    async with open_desk(database, client) as desk:
        size = await small(desk, client, turns=4)
        limited = replace(desk, runner=replace(desk.runner, limits=replace(LIMITS, context_tokens=size)))
        told = await events(await limited.send("Short."))
        request = client.requests[-1]

    assert [event["type"] for event in told][:3] == ["run.started", "context.truncated", "message.delta"]
    contents = [message.content for message in request.messages[1:]]
    assert contents[-1] == "Short."
    assert [message.role for message in request.messages] == [
        "system",
        *["user", "assistant"] * (len(contents) // 2),
        "user",
    ]
    assert told[1]["left_out"] == 8 - (len(contents) - 1)
    assert 0 < len(contents) < 9


async def test_the_providers_own_window_outranks_the_limit(database: Database) -> None:
    client = ScriptedClient(words("Yes."))
    async with open_desk(database, client, limits=replace(LIMITS, context_tokens=10_000_000)) as desk:
        await ending(await desk.send("x" * 4_000))
        rows = {id_: replace(one, context_tokens=1_000) for id_, one in desk.runner.registry.providers.items()}
        registry = replace(desk.runner.registry, providers=rows)
        limited = replace(desk, runner=replace(desk.runner, registry=registry))
        told = await events(await limited.send("Short."))

    assert told[1] | {"seq": 0, "run_id": ""} == {
        "v": 1,
        "type": "context.truncated",
        "seq": 0,
        "run_id": "",
        "left_out": 2,
    }


async def test_a_message_that_is_too_long_is_refused_without_a_call(database: Database) -> None:
    client = ScriptedClient(words("Yes."))
    async with open_desk(database, client, limits=replace(LIMITS, context_tokens=2_000)) as desk:
        await ending(await desk.send("Before."))
        told = await ending(await desk.send("x" * 8_000))
        answer = await desk.answer()
        many = tuple(ToolSpec(name=f"tool{number}", description="y" * 1_000) for number in range(10))
        refused = await ending(await desk.send("Tools.", tools=many))
        after = await ending(await desk.send("Short."))

    assert (told["type"], told["error_category"]) == ("run.failed", "context_length_exceeded")
    assert told["error_detail"]["http_status"] == 413
    assert (told["usage"], answer.status) == (None, "failed")
    assert refused["error_category"] == "context_length_exceeded", "tools take room too"
    assert len(client.requests) == 2
    assert after["type"] == "run.completed", "the conversation is usable after it"
    # What no model was sent keeps nothing else from the next one.
    assert [message.content for message in client.requests[1].messages[1:]] == ["Before.", "Yes. ", "Short."]


async def test_what_is_not_even_loaded_is_counted_too(database: Database) -> None:
    client = ScriptedClient(words("Yes."))
    async with open_desk(database, client, limits=replace(LIMITS, max_history_messages=4)) as desk:
        for number in range(3):
            await ending(await desk.send(f"Question {number}"))
        told = await events(await desk.send("Question 3"))

    assert told[1]["type"] == "context.truncated"
    assert told[1]["left_out"] == 8 - len(client.requests[-1].messages[1:]) - 1
    assert client.requests[-1].messages[1].role == "user"


@asynccontextmanager
async def told(window: int) -> AsyncGenerator[tuple[ModelLookup, Mapping[str, Provider]]]:
    """Give what knows the window of the model from its provider's list, and the rows that it was asked with."""
    async with serving_pages() as pages, Transport() as transport:
        rows = {row.id: replace(row, api_base=f"{pages.base}/v1") for row in (PROVIDER, OTHER, KEYLESS)}
        cache = ModelsCache(transport)
        pages.says({"data": [{"id": "acme-1", "context_length": window}]})
        await cache.list_models(rows["acme"], Secret("sk-acme-instance"), seconds=5, own_key=False)
        yield ModelLookup(cache), rows
        assert len(pages.requests) == 1, "no message asked for a list"


def knowing(desk: Desk, models: ModelLookup, rows: Mapping[str, Provider]) -> Desk:
    registry = replace(desk.runner.registry, providers=rows)
    return replace(desk, runner=replace(desk.runner, registry=registry, models=models))


async def test_the_window_that_the_list_tells_counts(database: Database) -> None:
    client = ScriptedClient(words("Yes."))
    async with told(4_000) as (models, rows), open_desk(database, client) as desk:
        await small(desk, client, turns=4)
        said = await events(await knowing(desk, models, rows).send("Short."))

    assert said[1]["type"] == "context.truncated"
    assert 0 < said[1]["left_out"] < 8


async def test_a_list_alone_does_not_refuse_a_long_message(database: Database) -> None:
    client = ScriptedClient(words("Yes."))
    async with told(1_000) as (models, rows), open_desk(database, client) as desk:
        await ending(await desk.send("Before."))
        said = await events(await knowing(desk, models, rows).send("Ж" * 2_000))

    assert (said[1]["type"], said[1]["left_out"]) == ("context.truncated", 2)
    assert said[-1]["type"] == "run.completed"
    assert [message.content for message in client.requests[-1].messages[1:]] == ["Ж" * 2_000]


def test_the_last_turn_goes_with_its_calls() -> None:
    assert last_turn(WHOLE) == (SYSTEM, WHOLE[-1])
    assert last_turn(WHOLE[:-1]) == (SYSTEM, *WHOLE[3:-1])
    assert last_turn((SYSTEM,)) == (SYSTEM,)


@pytest.mark.parametrize("said", ["", "Rome."])
async def test_usage_is_estimated_where_nobody_counted(database: Database, said: str) -> None:
    deltas = [TextDelta(said), STOP] if said else [STOP]
    async with open_desk(database, ScriptedClient(deltas)) as desk:
        told = await ending(await desk.send("Where to?"))

    usage = told["usage"]
    assert usage is None or (usage["estimated"] and usage["input"] > 0 and usage["output"] == (2 if said else 0))
