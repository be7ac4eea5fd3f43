"""The bounds of one answer: its deadlines, its length, its share of the loop."""

import asyncio

import pytest

from app.db.session import Database
from app.errors import (
    Phase,
)
from app.providers.model import (
    TextDelta,
)
from app.providers.provider import Deadlines
from app.runs.limits import RunLimits
from tests.runs.desk import ending, events, open_desk, text_of, until
from tests.runs.scripted import STOP, Pause, ScriptedClient


async def test_the_total_deadline_ends_the_answer(database: Database) -> None:
    script = [TextDelta("Ro"), Pause()]
    async with open_desk(database, ScriptedClient(script), deadlines=Deadlines(total_s=0.05)) as desk:
        run = await desk.send()
        told = await ending(run)
        await desk.idle()
        row = await desk.run_row(run)

    assert told["error_category"] == "provider_timeout"
    assert "0.05 seconds" in told["error"]
    assert told["error_detail"]["phase"] == Phase.MID_STREAM.value
    assert row.attempts is not None
    assert row.attempts[0]["error"] == "provider_timeout"


async def test_a_call_that_ignores_its_deadline_holds_neither_the_reader_nor_a_place(database: Database) -> None:
    pause = Pause(deaf=True)
    client = ScriptedClient([TextDelta("Ro"), pause, STOP])
    async with open_desk(database, client, deadlines=Deadlines(total_s=0.05)) as desk:
        run = await desk.send()
        told = await ending(run)
        await desk.idle()
        assert client.open == 1, "it goes on"
        pause.release.set()
        await until(lambda: client.open == 0)

    assert told["error_category"] == "provider_timeout"
    assert told["error"].startswith("Ro\n\n")


@pytest.mark.parametrize(
    ("limits", "words_"),
    [(RunLimits(max_answer_chars=100), "100 characters"), (RunLimits(max_deltas=10), "10 pieces")],
)
async def test_an_answer_without_end_is_ended(database: Database, limits: RunLimits, words_: str) -> None:
    client = ScriptedClient([*([TextDelta("0123456789")] * 50), STOP])
    async with open_desk(database, client, limits=limits) as desk:
        told = await ending(await desk.send())
        await desk.idle()
        answer = await desk.answer()

    assert (told["error_category"], answer.content) == ("invalid_provider_response", "0123456789" * 10)
    assert f"longer than {words_}" in told["error"]


async def test_a_client_that_never_waits_leaves_turns_to_others(database: Database) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with open_desk(database, ScriptedClient([*([TextDelta("a")] * 2000), STOP])) as desk:
        ticking = asyncio.create_task(other())
        told = await events(await desk.send())
        ticking.cancel()
        await asyncio.wait({ticking})

    assert turns > 100, "others got their turns while the answer was coming"
    assert text_of(told) == "a" * 2000
    assert len(told) < 1000, "text that came together is one event"
