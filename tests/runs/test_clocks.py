"""A wall clock that stands still or goes back changes no order: of messages, of waiting runs, of events."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest

from app.db import runs
from app.db.session import Database
from app.runs.clock import Clock
from app.runs.live import LiveRun
from app.runs.send import OnConflict
from tests.runs.desk import CONVERSATION, NOON, Desk, ending, events, open_desk
from tests.runs.scripted import STOP, Pause, ScriptedClient, TextDelta, words


def standing() -> Callable[[], datetime]:
    return lambda: NOON


def going_back() -> Callable[[], datetime]:
    ticks = count()
    return lambda: NOON - timedelta(hours=next(ticks))


CLOCKS = pytest.mark.parametrize("clock", [standing, going_back])


def at(desk: Desk, clock: Callable[[], Callable[[], datetime]]) -> Desk:
    """Give the same desk with another clock."""
    return replace(desk, runner=replace(desk.runner, clock=Clock(now=clock())))


@CLOCKS
async def test_messages_and_events_keep_their_order(
    database: Database, clock: Callable[[], Callable[[], datetime]]
) -> None:
    async with open_desk(database, ScriptedClient(words("one"), words("two"), words("three"))) as opened:
        desk = at(opened, clock)
        told = [await events(await desk.send(f"Question {number}")) for number in range(3)]
        stored = await desk.stored()

    assert [message.content for message in stored] == [
        *("Question 0", "one ", "Question 1", "two ", "Question 2", "three "),
    ]
    for each in told:
        assert [event["seq"] for event in each] == list(range(1, len(each) + 1))
    contents = [message.content for message in opened.client.requests[-1].messages[1:]]
    assert contents == ["Question 0", "one ", "Question 1", "two ", "Question 2"]


@CLOCKS
async def test_waiting_runs_keep_their_turn_and_the_active_one_is_the_first(
    database: Database, clock: Callable[[], Callable[[], datetime]]
) -> None:
    pause = Pause()
    scripts = [[TextDelta("0"), pause, STOP], *(words(str(number)) for number in range(1, 4))]
    async with open_desk(database, ScriptedClient(*scripts)) as opened:
        desk = at(opened, clock)
        live: list[LiveRun] = [await desk.send("Question 0")]
        await pause.reached.wait()
        live += [await desk.send(f"Question {number}", on_conflict=OnConflict.ENQUEUE) for number in range(1, 4)]
        async with database.read() as session:
            active = await runs.active_run(session, user_id="ada", conversation_id=CONVERSATION)
        pause.release.set()
        told = [await ending(run) for run in live]
        stored = await desk.stored()

    assert active is not None
    assert active.id == live[0].run_id
    assert [event["status"] for event in told] == ["completed"] * 4
    assert [message.content for message in stored] == [
        *("Question 0", "0", "Question 1", "1 ", "Question 2", "2 ", "Question 3", "3 "),
    ]
