"""The owner of the tasks, without models and databases."""

import asyncio
from uuid import UUID

import orjson
import pytest

from app.errors import GatewayError, Interrupted, NotFound, ServerShutdown, TooManyRuns
from app.events import RunEnded, RunStarted, RunStatus
from app.runs import hub as hub_module
from app.runs.hub import RunHub
from app.runs.live import LiveRun
from tests.runs.desk import until
from tests.runs.following import follow


def new_run(number: int = 1, user_id: str = "ada") -> LiveRun:
    one = UUID(int=number)
    return LiveRun(
        run_id=one, user_id=user_id, conversation_id=one, user_message_id=one, message_id=one, provider="p", model="x"
    )


def begin(run: LiveRun) -> None:
    run.journal.append(
        RunStarted(conversation_id="c", user_message_id="u", message_id="m", provider="p", model="x" * 1000)
    )
    run.begun.set_result(None)


def end(run: LiveRun) -> None:
    run.journal.append(RunEnded(status=RunStatus.COMPLETED, message_id="m", provider="p", model="x"))


async def whole(run: LiveRun) -> None:
    begin(run)
    await asyncio.sleep(0)
    end(run)


async def when(event: asyncio.Event, run: LiveRun) -> None:
    begin(run)
    await event.wait()
    end(run)


async def refused(failure: Exception) -> None:
    await asyncio.sleep(0)
    raise failure


async def test_a_run_is_found_by_its_owner_while_it_lives() -> None:
    hub, run, over = RunHub(), new_run(), asyncio.Event()
    await hub.start(run, when(over, run))
    assert hub.find(run.run_id, "ada") is None, "nothing can be read yet"
    await run.begun
    assert hub.find(run.run_id, "ada") is run
    assert hub.find(run.run_id, "eve") is None
    over.set()
    await hub.drain()

    assert hub.count == 0
    assert hub.find(run.run_id, "ada") is None


async def test_the_grace_counts_from_the_beginning_of_the_shutdown() -> None:
    hub, run, loop = RunHub(grace_s=0.4, store_s=0.1), new_run(), asyncio.get_running_loop()
    await hub.start(run, when(asyncio.Event(), run))
    await run.begun
    begun = loop.time()
    hub.begin_shutdown()
    await until(lambda: run.stopped_by is not None)
    await hub.drain()

    assert loop.time() - begun < 0.4 + 0.1 + 0.2


@pytest.mark.parametrize("failure", [NotFound(), ValueError("bug")])
async def test_a_run_that_never_began_fails_its_caller(failure: Exception) -> None:
    hub, run = RunHub(), new_run()
    await hub.start(run, refused(failure))

    with pytest.raises(type(failure)):
        await run.begun
    await hub.drain()
    assert hub.find(run.run_id, "ada") is None


async def test_the_caps() -> None:
    hub = RunHub(max_runs=3, max_runs_per_user=2)
    ends = asyncio.Event()
    for number, user_id in enumerate(["ada", "ada", "bob"]):
        run = new_run(number, user_id)
        await hub.start(run, when(ends, run))
    for user_id in ("ada", "eve"):
        run = new_run(9, user_id)
        with pytest.raises(TooManyRuns) as caught:
            await hub.start(run, whole(run))
        assert caught.value.retry_after_s
    assert hub.count == 3

    ends.set()
    await until(lambda: hub.count == 0)
    for number, user_id in enumerate(["ada", "ada", "bob"]):
        run = new_run(number, user_id)
        await hub.start(run, whole(run))
    await hub.drain()


async def test_readers_of_a_run_that_breaks_without_an_end_are_let_go() -> None:
    async def broken(run: LiveRun) -> None:
        begin(run)
        raise ValueError

    hub, run = RunHub(), new_run()
    await hub.start(run, broken(run))
    told = [orjson.loads(entry.data) async for batch in follow(run.journal) for entry in batch]
    await hub.drain()

    assert [event["type"] for event in told] == ["run.started"]
    assert not run.journal.closed, "its end will be where it is stored"


async def test_what_does_not_stop_is_killed() -> None:
    hub, run = RunHub(grace_s=0.01, store_s=0.01), new_run()
    await hub.start(run, when(asyncio.Event(), run))
    await run.begun
    await hub.drain()

    assert hub.count == 0
    assert run.stopped_by is not None
    assert run.stopped_by.code == "interrupted"
    assert [entry.type async for batch in follow(run.journal) for entry in batch] == ["run.started"]


async def test_a_refused_start_leaves_no_coroutine_behind() -> None:
    hub, run = RunHub(), new_run()
    hub.begin_shutdown()
    hub.begin_shutdown()

    with pytest.raises(ServerShutdown) as caught:
        await hub.start(run, whole(run))
    assert isinstance(caught.value, GatewayError)
    await hub.drain()


async def test_a_bug_after_the_beginning_is_logged_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(run: LiveRun) -> None:
        await whole(run)
        message = "what the person wrote"
        raise ValueError(message)

    hub, run = RunHub(), new_run()
    await hub.start(run, broken(run))
    await hub.drain()

    logged = capsys.readouterr().out
    assert "run.crashed" in logged
    assert "ValueError" in logged
    assert "what the person wrote" not in logged


async def test_a_held_call_takes_its_share_of_the_caps_and_nobody_finds_it() -> None:
    hub, run = RunHub(max_runs=2, max_runs_per_user=1), new_run()

    async with hub.hold(run):
        assert hub.count == 1
        assert hub.find(run.run_id, "ada") is None
        assert not hub.cancel(run.run_id, "ada")
        with pytest.raises(TooManyRuns):
            await hub.start(new_run(2), whole(new_run(2)))
        over, other = asyncio.Event(), new_run(3, "bob")
        await hub.start(other, when(over, other))
        with pytest.raises(RuntimeError):
            await hub.hold(new_run(4, "eve")).__aenter__()

    assert hub.count == 1
    async with hub.hold(run):
        pass
    over.set()
    await hub.drain()


async def held(hub: RunHub, run: LiveRun, call: "asyncio.Task[None]") -> None:
    async with hub.hold(run):
        run.attach(call)
        await asyncio.wait({call})


async def test_a_shutdown_refuses_held_calls_waits_for_them_and_then_stops_them() -> None:
    hub, run, over = RunHub(grace_s=0.05), new_run(), asyncio.Event()
    call = asyncio.create_task(asyncio.sleep(60))
    holding = asyncio.create_task(held(hub, run, call))
    quick = asyncio.create_task(held(hub, new_run(2), asyncio.create_task(settle(over))))
    await until(lambda: hub.count == 2)
    hub.begin_shutdown()
    with pytest.raises(ServerShutdown):
        await hub.hold(new_run(3)).__aenter__()

    over.set()
    await quick
    assert not call.done(), "the grace lasts"
    await hub.drain()

    assert call.cancelled()
    assert isinstance(run.stopped_by, Interrupted)
    assert holding.done()
    assert holding.exception() is None
    assert hub.count == 0


async def settle(over: asyncio.Event) -> None:
    await over.wait()


async def test_a_held_call_that_does_not_stop_is_killed() -> None:
    hub, run = RunHub(grace_s=0.01, store_s=0.01), new_run()

    async def deaf() -> None:
        async with hub.hold(run):
            await asyncio.Event().wait()

    holding = asyncio.create_task(deaf())
    await until(lambda: hub.count == 1)
    await hub.drain()

    assert holding.cancelled()
    assert hub.count == 0


async def test_readers_do_not_wait_for_a_run_that_cannot_store_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sent to where it will be found, while it goes on trying."""
    monkeypatch.setattr(hub_module, "LEAVE_S", 0.02)
    hub, run, over = RunHub(grace_s=0.01), new_run(), asyncio.Event()
    await hub.start(run, when(over, run))
    await run.begun
    hub.begin_shutdown()

    async with asyncio.timeout(10):
        read = [entry.type async for batch in follow(run.journal) for entry in batch]
    still_there = hub.count
    over.set()
    await hub.drain()

    assert (read, still_there) == (["run.started"], 1)
    assert run.journal.closed
