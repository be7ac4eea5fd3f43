"""Stopping a run: how long the provider still writes for nobody, and that there is one end whatever it races with."""

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.replicas.history import Recorder, check_history
from tests.replicas.pair import Pair, replicas_of
from tests.replicas.play import Play
from tests.replicas.reading import Ended

SAME_S = 0.5
ACROSS_S = 1.0


def p95(latencies: list[float]) -> float:
    return sorted(latencies)[int(len(latencies) * 0.95) - 1]


async def cancelled(pair: Pair, recorder: Recorder, play: Play, *, through: int) -> float:
    """Begin a run at the first replica, cancel it through one, and give the seconds until the provider is left."""
    seen = len(recorder.sent)
    sending = asyncio.create_task(recorder.send(pair.clients[0], play))
    await pair.upstream.reached(play.gate)
    sent = recorder.sent[seen]
    # The first frame too: without it the recorder knows no run, or the one before.
    await recorder.until(lambda: bool(sent.reading.frames) and sent.reading.text.count("·") == play.at)
    began = await recorder.cancel(pair.clients[through])
    latency = await pair.upstream.closed(sent.text) - began
    reading = await sending
    assert (reading.end, reading.frames[-1].type) == (Ended.DONE, "run.cancelled")
    assert reading.text.count("·") == play.at
    again = await pair.clients[through].post(f"/api/chat/runs/{reading.run_id}/cancel/")
    assert (again.status_code, again.json()) == (200, {"status": "cancelled"})
    return latency


async def cancels(pair: Pair, count: int) -> dict[str, float]:
    """Cancel so often at either replica, half of the runs before their first token; give the 95th percentiles."""
    recorder = await Recorder.create(pair.clients[0])
    latencies: dict[str, list[float]] = {"same replica": [], "across": []}
    for number, (through, name) in itertools.product(range(count), enumerate(latencies)):
        play = Play(chunks=4, gate=f"never{number}{through}", at=number % 2 * 2)
        latencies[name].append(await cancelled(pair, recorder, play, through=through))
        await _next_message_works(pair, recorder)
    figures = await check_history([recorder], pair.clients[0])
    assert figures.ends == {"run.cancelled": 2 * count, "run.completed": 2 * count}
    return {name: p95(each) for name, each in latencies.items()}


async def _next_message_works(pair: Pair, recorder: Recorder) -> None:
    reading = await recorder.send(pair.clients[0], Play(chunks=1))
    assert (reading.end, reading.frames[-1].type) == (Ended.DONE, "run.completed"), reading.body
    late = await pair.clients[1].post(f"/api/chat/runs/{reading.run_id}/cancel/")
    assert (late.status_code, late.json()) == (200, {"status": "completed"})


async def race(pair: Pair, recorder: Recorder, chance: random.Random, *, through: int) -> str:
    """Let a run end and cancel it at about the same time; give how it ended, on which all agree."""
    seen = len(recorder.sent)
    sending = asyncio.create_task(recorder.send(pair.clients[0], Play(chunks=2, pace_ms=chance.choice((0, 2)))))
    await recorder.until(lambda: len(recorder.sent) > seen and bool(recorder.sent[seen].reading.frames))
    await asyncio.sleep(chance.uniform(0.0, 0.03 if through == 0 else 0.1))  # the moment is what is random
    await recorder.cancel(pair.clients[through])
    reading = await sending
    told = await pair.clients[1 - through].get(f"/api/chat/runs/{reading.run_id}/")
    status = str(told.json()["status"])
    assert [frame.type for frame in reading.frames if frame.terminal] == [f"run.{status}"]
    return status


async def races(pair: Pair, count: int) -> Counter[str]:
    """Race so often, through either replica in turn, and let the history checker look at all of it."""
    chance = random.Random(count)  # noqa: S311 - repeatable, no secret
    recorders = [await Recorder.create(pair.clients[0]) for _ in range(-(-count // 50))]
    ends = Counter[str]()
    for number in range(count):
        ends[await race(pair, recorders[number // 50], chance, through=number % 2)] += 1
    figures = await check_history(recorders, pair.clients[1])
    assert (figures.runs, figures.runs_not_terminal) == (count, 0)
    assert {f"run.{end}": many for end, many in ends.items()} == figures.ends
    return ends


async def test_a_cancel_reaches_the_provider_at_once_and_gives_one_end(postgres_url: str, tmp_path: Path) -> None:
    async with replicas_of(postgres_url, tmp_path) as pair:
        latencies = await cancels(pair, 2)
        ends = await races(pair, 20)

        # Of two there is no percentile; the figures are the proof's.
        assert max(latencies.values()) < 5
        assert set(ends) <= {"cancelled", "completed"}
        assert pair.unexplained() == []


@pytest.mark.prove
@pytest.mark.timeout(300)
async def test_forty_cancels_each_way_reach_the_provider_in_time(postgres_url: str, tmp_path: Path) -> None:
    async with replicas_of(postgres_url, tmp_path) as pair:
        latencies = await cancels(pair, 40)
        assert pair.unexplained() == []
    print(f"p95 from cancel to the provider's socket closed: {latencies}")  # noqa: T201 - the figure to report

    assert latencies["same replica"] < SAME_S
    assert latencies["across"] < ACROSS_S


@pytest.mark.prove
@pytest.mark.timeout(600)
async def test_five_hundred_races_with_the_end_give_five_hundred_ends(postgres_url: str, tmp_path: Path) -> None:
    async with replicas_of(postgres_url, tmp_path) as pair:
        ends = await races(pair, 500)
        assert pair.unexplained() == []
    print(f"ends of races: {ends}")  # noqa: T201 - the figure to report

    assert set(ends) == {"cancelled", "completed"}
