"""One message that arrives many times: in parallel, at two replicas, and again after one of them was killed."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.replicas.environment import TOKENS
from tests.replicas.history import Recorder, check_history
from tests.replicas.pair import Pair, replicas_of
from tests.replicas.play import Play
from tests.replicas.reading import Ended, Reading

FIFTY = Play(chunks=4, gate="fifty", at=2)
TEXT = f"{Play(chunks=4, gate='once', at=2)} #once"


async def told(http: httpx.AsyncClient, recorder: Recorder) -> list[dict[str, Any]]:
    """Give the messages of the conversation."""
    found = await http.get(f"/api/chat/conversations/{recorder.conversation}/")
    messages: list[dict[str, Any]] = found.json()["messages"]
    return messages


async def fifty_sends(pair: Pair) -> None:
    """Send fifty messages at once, spread over the replicas, and let the one that is taken go on."""
    recorder = await Recorder.create(pair.clients[0])
    homes = [pair.clients[number % len(pair.clients)] for number in range(50)]
    sending = [asyncio.create_task(recorder.send(http, FIFTY)) for http in homes]
    await recorder.until(lambda: sum(sent.reading.end is Ended.REFUSED for sent in recorder.sent) == 49)
    pair.upstream.open("fifty")
    readings = await asyncio.gather(*sending)
    (taken,) = [reading for reading in readings if reading.accepted]

    assert Counter(reading.status for reading in readings) == {200: 1, 409: 49}
    refusals = {(one.refusal["error_category"], one.refusal["error_detail"]["run_id"]) for one in readings if one.body}
    assert refusals == {("conversation_busy", taken.run_id)}
    assert len(pair.upstream.calls) == 1
    assert taken.over
    figures = await check_history([recorder], pair.clients[-1])
    assert (figures.runs, figures.ends["run.completed"]) == (1, 1)


@pytest.mark.prove
async def test_of_fifty_parallel_sends_one_is_taken_on_one_replica(sqlite_url: str, tmp_path: Path) -> None:
    async with replicas_of(sqlite_url, tmp_path, count=1) as pair:
        await fifty_sends(pair)


async def test_of_many_sends_one_is_taken_on_two_replicas(postgres_url: str, tmp_path: Path) -> None:
    """One test, as the start of two processes takes longer than all of it."""
    async with replicas_of(postgres_url, tmp_path) as pair:
        await fifty_sends(pair)
        await twenty_equal_sends(pair)
        assert pair.unexplained() == []


async def twenty_equal_sends(pair: Pair) -> None:
    """Send the same twenty times, kill the replica that has it in hand, and send it again."""
    recorder = await Recorder.create(pair.clients[0])
    killed = await _crash_while_twenty_read(pair, recorder)
    alive = pair.clients[1 - killed]
    again = await recorder.send(alive, TEXT, key="once")
    await pair.replicas[killed].restart()
    restarted = await recorder.send(pair.clients[killed], TEXT, key="once")
    by_body = await _by_body(alive, recorder)
    others = await _other_requests(pair, alive, recorder)
    figures = await check_history([recorder], alive)

    assert {(one.replayed, one.run_id, one.end) for one in (again, restarted, by_body)} == {
        (True, recorder.readings[0].run_id, Ended.DONE)
    }
    assert [one.status for one in others] == [422, 422]
    assert [one.refusal["error_category"] for one in others] == ["idempotency_mismatch"] * 2
    assert len(pair.upstream.calls_for(TEXT)) == 2, "one for Alice and one for Bob"
    assert (figures.runs, figures.events_lost, figures.ends["run.interrupted"]) == (1, 0, 1)
    assert [message["role"] for message in await told(alive, recorder)] == ["user", "assistant"] * 2


async def _crash_while_twenty_read(pair: Pair, recorder: Recorder) -> int:
    """Send the same twenty times, kill the replica that took it when everybody has its beginning, and name it."""
    sending = [asyncio.create_task(recorder.send(pair.clients[each % 2], TEXT, key="once")) for each in range(20)]
    await recorder.until(lambda: [sent.reading.text for sent in recorder.sent] == ["once·1 once·2 "] * 20)
    readings = [sent.reading for sent in recorder.sent]
    taken = [each for each, reading in enumerate(readings) if not reading.replayed]
    assert len(taken) == len({reading.run_id for reading in readings}) == len(pair.upstream.calls_for(TEXT)) == 1
    killed = taken[0] % 2
    await pair.replicas[killed].kill()
    await asyncio.gather(*sending)
    assert Counter(reading.end for reading in readings) == {Ended.CUT: 10, Ended.DONE: 10}
    return killed


async def _by_body(http: httpx.AsyncClient, recorder: Recorder) -> Reading:
    """Send it once more, with the key in the body."""
    client = Recorder(recorder.conversation, recorder.body | {"client_message_id": "once"})
    return await client.send(http, TEXT)


async def _other_requests(pair: Pair, http: httpx.AsyncClient, recorder: Recorder) -> list[Reading]:
    """Send another text and another conversation with the key; Bob may use it, as his requests are his own."""
    other = await Recorder.create(http)
    async with pair.replicas[1].client(TOKENS["bob"]) as bobs:
        bob = await Recorder.create(bobs)
        pair.upstream.open("once")
        reading = await bob.send(bobs, TEXT, key="once")
    assert (reading.status, reading.replayed, reading.end) == (200, False, Ended.DONE)
    assert reading.run_id != recorder.readings[0].run_id
    client = Recorder(recorder.conversation, recorder.body)
    return [await client.send(http, f"{TEXT}!", key="once"), await other.send(http, TEXT, key="once")]


@pytest.mark.prove
@pytest.mark.timeout(600)
async def test_a_key_means_one_run_whenever_a_replica_is_killed(postgres_url: str, tmp_path: Path) -> None:
    chance, calls = random.Random(20), Counter[int]()  # noqa: S311 - repeatable, no secret
    async with replicas_of(postgres_url, tmp_path) as pair:
        for number in range(20):
            recorder = await Recorder.create(pair.clients[0])
            text = f"{Play()} #once{number}"
            async with asyncio.TaskGroup() as sending:
                for each in range(20):
                    sending.create_task(_persist(pair, recorder, text, f"key-{number}", each))
                await asyncio.sleep(chance.uniform(0.0, 0.08))  # the moment is what is random
                await pair.replicas[number % 2].kill()
                await pair.replicas[number % 2].restart()
            calls[len(pair.upstream.calls_for(text))] += 1
            assert len({sent.reading.run_id for sent in recorder.sent if sent.reading.accepted}) == 1
            figures = await check_history([recorder], pair.clients[0])
            assert (figures.runs, figures.events_lost) == (1, 0)
            assert len(await told(pair.clients[0], recorder)) == 4
        errors = pair.unexplained()
    print(f"upstream calls for one message: {calls}")  # noqa: T201 - the figure to report

    assert set(calls) <= {0, 1}, "0 where it was killed between the commit and the call"
    assert errors == []


async def _persist(pair: Pair, recorder: Recorder, text: str, key: str, each: int) -> None:
    """Send until somebody has it, at the other replica where one does not answer."""
    async with asyncio.timeout(30):
        while True:
            reading = await recorder.send(pair.clients[each % 2], text, key=key)
            if reading.accepted:
                return
            assert reading.status in {None, 503}, reading.body
            each += 1
            await asyncio.sleep(0.05)
