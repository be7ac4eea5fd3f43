"""Runs that are stopped: by their caller, by a shutdown, and in a race with their own end."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from app.db.session import Database
from app.errors import Interrupted, ProviderOverloaded
from app.providers.model import TextDelta
from app.runs.hub import RunHub
from app.runs.recovery import interrupt
from app.runs.retry import RetryPolicy
from tests.runs.desk import LIMITS, Desk, ending, events, open_desk, text_of, until
from tests.runs.scripted import STOP, Pause, ScriptedClient, words


async def test_cancelled_before_the_first_token(database: Database) -> None:
    pause = Pause()
    client = ScriptedClient([pause, *words("Rome.")])
    async with open_desk(database, client) as desk:
        run = await desk.send()
        await pause.reached.wait()
        assert desk.hub.cancel(run.run_id, "ada")
        told = await events(run)
        await desk.idle()
        answer = await desk.answer()
        row = await desk.run_row(run)

    assert [event["type"] for event in told] == ["run.started", "run.cancelled"]
    assert "error" not in told[-1]
    assert (answer.status, answer.content, answer.error, row.status) == ("cancelled", "", None, "cancelled")
    assert row.attempts is not None
    assert row.attempts[0]["error"] == "cancelled"
    assert client.open == 0


async def test_cancelled_in_the_middle_keeps_what_was_shown(database: Database) -> None:
    pause = Pause()
    client = ScriptedClient([TextDelta("Ro"), pause, STOP])
    async with open_desk(database, client) as desk:
        run = await desk.send()
        await pause.reached.wait()
        assert desk.hub.cancel(run.run_id, "ada")
        assert desk.hub.cancel(run.run_id, "ada"), "asking again changes nothing"
        told = await ending(run)
        await desk.idle()
        answer = await desk.answer()

    assert (told["type"], told["status"]) == ("run.cancelled", "cancelled")
    assert (answer.status, answer.content) == ("cancelled", "Ro")


async def test_cancelled_after_the_end_changes_nothing(database: Database) -> None:
    async with open_desk(database, ScriptedClient(words("Rome."))) as desk:
        run = await desk.send()
        await ending(run)
        assert not desk.hub.cancel(run.run_id, "ada")
        await desk.idle()
        assert not desk.hub.cancel(run.run_id, "ada")
        answer = await desk.answer()

        assert (await ending(run))["type"] == "run.completed"

    assert answer.status == "completed"


async def test_nobody_stops_or_finds_somebody_elses_run(database: Database) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([pause, *words("Rome.")])) as desk:
        run = await desk.send()
        assert not desk.hub.cancel(run.run_id, "eve")
        assert not desk.hub.cancel(UUID(int=99), "ada")
        assert desk.hub.find(run.run_id, "eve") is None
        assert desk.hub.find(run.run_id, "ada") is run
        pause.release.set()

        assert (await ending(run))["type"] == "run.completed"


async def test_a_run_can_be_cancelled_before_its_model_is_asked(database: Database) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([pause])) as desk:
        run = await desk.send()
        assert desk.hub.cancel(run.run_id, "ada")

        assert (await ending(run))["type"] == "run.cancelled"


async def test_a_shutdown_waits_and_then_interrupts(database: Database) -> None:
    pause = Pause()
    hub = RunHub(grace_s=0.05)
    async with open_desk(database, ScriptedClient([TextDelta("Ro"), pause, STOP]), hub=hub) as desk:
        run = await desk.send()
        await pause.reached.wait()
        hub.begin_shutdown()
        assert hub.stopping
        await hub.drain()
        told = await ending(run)
        answer = await desk.answer()

    assert (told["type"], told["error_category"]) == ("run.interrupted", "interrupted")
    assert told["error"].startswith("Ro\n\n⚠ ")
    assert (answer.status, answer.content) == ("interrupted", "Ro")
    assert answer.error is not None
    assert answer.error["error"] == Interrupted().sentence


async def test_a_run_that_ends_within_the_grace_is_whole(database: Database) -> None:
    pause = Pause()
    hub = RunHub(grace_s=5.0)
    async with open_desk(database, ScriptedClient([pause, *words("Rome.")]), hub=hub) as desk:
        run = await desk.send()
        await pause.reached.wait()
        hub.begin_shutdown()
        pause.release.set()
        await hub.drain()

        assert (await ending(run))["type"] == "run.completed"


async def test_a_drain_without_patience_still_stores(database: Database) -> None:
    pause = Pause()
    hub = RunHub(grace_s=0.0)
    async with open_desk(database, ScriptedClient([TextDelta("Ro"), pause]), hub=hub) as desk:
        run = await desk.send()
        await pause.reached.wait()
        await hub.drain()
        answer = await desk.answer()

        assert (await ending(run))["type"] == "run.interrupted"
    assert (answer.status, answer.content) == ("interrupted", "Ro")


async def test_a_shutdown_while_the_message_is_stored_ends_the_run_too(database: Database) -> None:
    hub = RunHub(grace_s=0.0)
    client = ScriptedClient([Pause()])
    async with open_desk(database, client, hub=hub) as desk:
        async with database.write():  # holds the run's own transaction up
            sending = asyncio.create_task(desk.send())
            await until(lambda: hub.count == 1)
            hub.begin_shutdown()
            interrupted = asyncio.Event()
            asyncio.get_running_loop().call_later(0.0, interrupted.set)  # after the hub's own timer
            await interrupted.wait()
        run = await sending
        assert run.stopped_by is not None
        told = await ending(run)
        await desk.idle()
        answer = await desk.answer()

    assert (told["type"], answer.status) == ("run.interrupted", "interrupted")
    assert client.requests == []


async def test_a_pause_between_two_attempts_can_be_cancelled(database: Database) -> None:
    limits = replace(LIMITS, retry=RetryPolicy(base_s=8.0))
    async with open_desk(database, ScriptedClient([ProviderOverloaded()]), limits=limits) as desk:
        run = await desk.send()
        await until(lambda: run.journal.last_seq == 2)
        assert desk.hub.cancel(run.run_id, "ada")

        assert (await ending(run))["type"] == "run.cancelled"


async def test_readers_of_a_run_that_does_not_even_stop_are_let_go_and_its_end_is_stored_later(
    database: Database,
) -> None:
    pause = Pause(deaf=True)
    client = ScriptedClient([TextDelta("Ro"), pause, STOP])
    async with open_desk(database, client, hub=RunHub(grace_s=0.01, store_s=0.01)) as desk:
        run = await desk.send()
        await pause.reached.wait()
        await desk.hub.drain()
        assert desk.hub.count == 0
        seen = await events(run)
        pause.release.set()
        await until(lambda: desk.client.open == 0)
        assert await interrupt(database, await desk.run_row(run), clock=desk.runner.clock)
        answer = await desk.answer()

    assert [event["type"] for event in seen] == ["run.started", "message.delta"]
    assert (answer.status, answer.content) == ("interrupted", "Ro")


async def race(desk: Desk, turns: int) -> str:
    """Cancel a run so many turns of the loop after its model began; give its status, on which all must agree."""
    pause = Pause()
    desk.client.scripts.append([pause, *words("All roads lead to Rome.")])
    run = await desk.send()
    await pause.reached.wait()
    pause.release.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    told_in_time = desk.hub.cancel(run.run_id, "ada")
    told = await events(run)
    await desk.idle()
    answer = await desk.answer()
    row = await desk.run_row(run)

    assert [event for event in told if "status" in event] == [told[-1]]
    assert told[-1]["status"] == answer.status == row.status == ("cancelled" if told_in_time else "completed")
    assert answer.content == text_of(told)
    return row.status


async def races(database: Database, count: int) -> set[str]:
    async with open_desk(database, ScriptedClient()) as desk:
        return {await race(desk, turns % 30) for turns in range(count)}


async def test_cancelling_at_any_moment_gives_one_end(database: Database) -> None:
    assert await races(database, 30) == {"cancelled", "completed"}


@pytest.mark.prove
@pytest.mark.timeout(600)
async def test_cancelling_five_hundred_times_gives_five_hundred_ends(database: Database) -> None:
    assert await races(database, 500) == {"cancelled", "completed"}


async def test_many_runs_at_once_do_not_mix(database: Database) -> None:
    count = 200
    client = ScriptedClient(words("All roads lead to Rome."))
    async with open_desk(database, client, hub=RunHub(max_runs=count, max_runs_per_user=count)) as desk:
        ids = [UUID(int=1000 + number) for number in range(count)]
        await desk.new_conversations(*ids)
        started = await asyncio.gather(*(desk.send(f"{one}", conversation_id=one) for one in ids))
        told = await asyncio.gather(*(events(run) for run in started))
        await desk.idle()
        stored = [await desk.stored(conversation_id) for conversation_id in ids]

    assert {told_[-1]["type"] for told_ in told} == {"run.completed"}
    for conversation_id, (asked, answer), told_ in zip(ids, stored, told, strict=True):
        assert asked.content == str(conversation_id)
        assert answer.content == text_of(told_) == "All roads lead to Rome. "
        assert {event["run_id"] for event in told_} == {str(asked.run_id)}
    assert client.open == 0
