"""Runs whose end cannot be stored."""

from dataclasses import replace

import pytest

from app.db.session import Database
from app.events import RunStatus, Usage
from app.providers.model import TextDelta, UsageReport
from app.runs.recovery import interrupt
from tests.runs.desk import LIMITS, ending, open_desk, without_runs
from tests.runs.scripted import STOP, Pause, ScriptedClient, words


async def test_the_reader_is_told_and_the_end_is_stored_when_that_works_again(
    database: Database, database_url: str
) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([TextDelta("Rome."), pause, STOP], words("Yes."))) as desk:
        run = await desk.send()
        await pause.reached.wait()
        async with without_runs(database_url):
            pause.release.set()
            told = await ending(run)
        await desk.idle()
        answer = await desk.answer()
        row = await desk.run_row(run)
        after = await ending(await desk.send())

    assert (told["type"], told["error_category"]) == ("run.failed", "storage_unavailable")
    assert told["error"].startswith("Rome.\n\n⚠ ")
    assert (answer.status, answer.content, row.status) == ("failed", "Rome.", "failed")
    assert after["type"] == "run.completed", "the conversation is not busy for ever"


async def test_a_short_failure_goes_unnoticed(database: Database, database_url: str) -> None:
    pause = Pause()
    patient = replace(LIMITS, store_pauses_s=LIMITS.late_store_pauses_s)
    async with open_desk(database, ScriptedClient([TextDelta("Rome."), pause, STOP]), limits=patient) as desk:
        run = await desk.send()
        await pause.reached.wait()
        async with without_runs(database_url) as repair:
            pause.release.set()
            await repair()
            told = await ending(run)
        answer = await desk.answer()

    assert (told["type"], answer.status) == ("run.completed", "completed")


async def test_a_run_that_somebody_else_has_ended_is_left_as_it_is(database: Database) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([TextDelta("Rome."), pause, STOP])) as desk:
        run = await desk.send()
        await pause.reached.wait()
        assert await interrupt(database, await desk.run_row(run), clock=desk.runner.clock)
        pause.release.set()
        told = await ending(run)
        await desk.idle()

        assert (await desk.run_row(run)).status == RunStatus.INTERRUPTED
        assert told["type"] == "run.interrupted", "what is stored is what is told"


async def test_a_run_whose_end_no_one_can_write_is_ended_all_the_same(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    unwritable = UsageReport(Usage(input=1 << 70, output=1))
    async with open_desk(database, ScriptedClient([TextDelta("Rome."), unwritable, STOP], words("Yes."))) as desk:
        run = await desk.send()
        told = await ending(run)
        await desk.idle()
        answer = await desk.answer()
        row = await desk.run_row(run)
        after = await ending(await desk.send())

    assert (told["type"], told["error_category"], told["usage"]) == ("run.failed", "internal_error", None)
    assert told["error"].startswith("Rome.\n\n⚠ ")
    assert (answer.status, answer.content, row.status) == ("failed", "Rome.", "failed")
    assert answer.error is not None
    assert answer.error["error_category"] == "internal_error"
    assert after["type"] == "run.completed", "the conversation is not busy for ever"
    assert "run.crashed" in capsys.readouterr().out
