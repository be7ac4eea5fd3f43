"""A message while another answer is being written: it waits its turn, or it stops the other one."""

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.replicas.history import Recorder, check_history
from tests.replicas.pair import Pair, replicas_of
from tests.replicas.play import Play, mark_of
from tests.replicas.reading import Ended, Reading


@pytest.mark.prove
async def test_messages_wait_and_interrupt_on_two_replicas(postgres_url: str, tmp_path: Path) -> None:
    """One test, as the start of two processes takes longer than all of it."""
    async with replicas_of(postgres_url, tmp_path) as pair:
        await waiting_messages_are_answered_in_their_order_wherever_they_are(pair)
        for where in (0, 1):
            await a_message_that_interrupts_stops_the_answer_and_keeps_what_it_has(pair, where)
        await a_process_that_dies_takes_its_waiting_messages_along_and_no_others(pair)
        await pair.replicas[0].restart()
        await the_next_in_line_begins_though_the_process_before_it_died(pair)
        assert pair.unexplained() == []


class Queue:
    """One conversation, in which the messages come one behind the other."""

    def __init__(self, pair: Pair, conversation: str) -> None:
        self.pair = pair
        self.whole = Recorder(conversation)
        """What all clients have sent and seen."""
        self.sending: list[asyncio.Task[Reading]] = []

    async def put(self, where: int, play: Play, on_conflict: str = "enqueue", *, until: str) -> Recorder:
        """Send a message at a replica and wait until its last event is of the type `until`."""
        client = Recorder(self.whole.conversation, self.whole.body | {"on_conflict": on_conflict})
        client.sent, client.readings = self.whole.sent, []
        self.sending.append(asyncio.create_task(client.send(self.pair.clients[where], play)))
        await client.until(lambda: [until] == [types(reading)[-1] for reading in client.readings if reading.frames])
        self.whole.readings += client.readings
        return client

    async def readings(self) -> list[Reading]:
        """Give what the clients have read when all are at the end."""
        async with asyncio.timeout(20):
            return await asyncio.gather(*self.sending)


async def queue_of(pair: Pair) -> Queue:
    return Queue(pair, (await Recorder.create(pair.clients[0])).conversation)


def types(reading: Reading) -> list[str]:
    return [frame.type for frame in reading.frames]


async def waiting_messages_are_answered_in_their_order_wherever_they_are(pair: Pair) -> None:
    queue = await queue_of(pair)
    gate = "waiting"
    await queue.put(0, Play(chunks=3, gate=gate, at=1), until="message.delta")
    await queue.put(1, Play(chunks=2), until="run.queued")
    gone = await queue.put(0, Play(chunks=2), until="run.queued")
    far = await queue.put(0, Play(chunks=2), until="run.queued")
    await queue.put(0, Play(chunks=2), until="run.queued")
    await queue.put(1, Play(chunks=2), until="run.queued")
    # One is stopped where it waits, one from the other replica.
    await gone.cancel(pair.clients[0])
    await far.cancel(pair.clients[1])
    await gone.until(lambda: gone.over)
    await far.until(lambda: far.over)
    assert await asked_upstream(pair, queue) == [0], "the others wait"
    pair.upstream.open(gate)
    readings = await queue.readings()

    assert {reading.end for reading in readings} == {Ended.DONE}
    assert types(readings[0])[0] == "run.started"
    answered = [readings[place] for place in (0, 1, 4, 5)]
    assert {types(reading)[-1] for reading in answered} == {"run.completed"}
    assert {tuple(types(reading)[:2]) for reading in answered[1:]} == {("run.queued", "run.started")}
    assert [types(readings[place]) for place in (2, 3)] == [["run.queued", "run.cancelled"]] * 2
    for before, after in itertools.pairwise(answered):
        assert before.frames[-1].at < after.frames[1].at, "it began before the one before it had ended"
    figures = await check_history([queue.whole], pair.clients[1])
    assert figures.ends == {"run.completed": 4, "run.cancelled": 2}
    assert await asked_upstream(pair, queue) == [0, 1, 4, 5]


async def asked_upstream(pair: Pair, queue: Queue) -> list[int]:
    """Give the places of the messages for which the upstream was called, in the order of the calls."""
    marks = [mark_of(sent.text) for sent in queue.whole.sent]
    called = [mark_of(str(call.json_object["messages"][-1]["content"])) for call in pair.upstream.calls]
    return [marks.index(mark) for mark in called if mark in marks]


async def a_process_that_dies_takes_its_waiting_messages_along_and_no_others(pair: Pair) -> None:
    queue = await queue_of(pair)
    gate = "dying"
    await queue.put(1, Play(chunks=3, gate=gate, at=1), until="message.delta")
    lost = await queue.put(0, Play(chunks=2), until="run.queued")
    await queue.put(1, Play(chunks=2), until="run.queued")
    await pair.replicas[0].kill()
    end = await lost.follow([pair.clients[1]], seconds=20)
    queue.whole.readings.append(end)
    pair.upstream.open(gate)
    readings = await queue.readings()

    assert types(end) == ["run.interrupted"]
    assert [reading.end for reading in readings] == [Ended.DONE, Ended.CUT, Ended.DONE]
    assert [types(reading)[-1] for reading in readings] == ["run.completed", "run.queued", "run.completed"]
    figures = await check_history([queue.whole], pair.clients[1])
    assert figures.ends == {"run.completed": 2, "run.interrupted": 1}
    assert await asked_upstream(pair, queue) == [0, 2]


async def the_next_in_line_begins_though_the_process_before_it_died(pair: Pair) -> None:
    queue = await queue_of(pair)
    gate = "dead"
    first = await queue.put(0, Play(chunks=3, gate=gate, at=1), until="message.delta")
    await queue.put(1, Play(chunks=2), until="run.queued")
    await pair.replicas[0].kill()
    readings = await queue.readings()
    queue.whole.readings.append(await first.follow([pair.clients[1]], seconds=20))

    assert [types(reading)[-1] for reading in readings] == ["message.delta", "run.completed"]
    figures = await check_history([queue.whole], pair.clients[1])
    assert figures.ends == {"run.completed": 1, "run.interrupted": 1}


async def a_message_that_interrupts_stops_the_answer_and_keeps_what_it_has(pair: Pair, where: int) -> None:
    queue = await queue_of(pair)
    first = await queue.put(0, Play(chunks=3, gate="never", at=2), until="message.delta")
    await first.until(lambda: "·2" in first.readings[0].text)
    await queue.put(where, Play(chunks=2), "interrupt", until="run.completed")
    readings = await queue.readings()
    stopped, asked = first.readings[0], queue.whole.sent[0].text

    assert [types(reading)[-1] for reading in readings] == ["run.cancelled", "run.completed"]
    assert types(readings[1])[0] == "run.started"
    assert stopped.text == "".join(Play.of(asked).texts(mark_of(asked))[:2])
    assert stopped.frames[-1].event["usage"]["estimated"]
    figures = await check_history([queue.whole], pair.clients[0])
    assert figures.ends == {"run.completed": 1, "run.cancelled": 1}
