"""Clients that stream and send all the while a test breaks something."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from tests.replicas.measuring import eventually
from tests.replicas.play import Play
from tests.replicas.reading import Ended, Reading
from tests.replicas.recorder import Recorder, Sent

SHORT: Final = Play(chunks=3, pace_ms=5)
FOLLOW_S: Final = 60.0
_AGAIN_S: Final = 0.05


class Load:
    """`async with Load(clients) as load`; every recorder is for `check_history` in the end."""

    def __init__(self, replicas: Sequence[httpx.AsyncClient]) -> None:
        """Take a client for each replica; a stream begins at the first and is followed at any."""
        self.streams: list[Recorder] = []
        """Those that go on through the fault."""
        self.senders: list[Recorder] = []
        """Those that send one short message after the other."""
        self.others: list[Recorder] = []
        self._replicas = replicas
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def recorders(self) -> list[Recorder]:
        return [*self.streams, *self.senders, *self.others]

    @property
    def sent(self) -> list[Sent]:
        return [sent for recorder in self.recorders for sent in recorder.sent]

    async def stream(self, play: Play, count: int = 1) -> list[Recorder]:
        """Begin `count` long answers, each in a conversation of its own, and see two events of each."""
        begun = [await Recorder.create(self._replicas[0]) for _ in range(count)]
        self.streams += begun
        self._tasks += [asyncio.create_task(self._follow(recorder, play)) for recorder in begun]
        await asyncio.gather(*(one.until(lambda one=one: one.seen >= 2, seconds=30) for one in begun))
        return begun

    async def send_all_the_time(self, count: int, play: Play = SHORT) -> None:
        """Let `count` clients send until `finish`, whatever the answer is."""
        begun = [await Recorder.create(self._replicas[0]) for _ in range(count)]
        self.senders += begun
        self._tasks += [asyncio.create_task(self._keep_sending(recorder, play)) for recorder in begun]

    async def finish(self, *, seconds: float) -> None:
        """Send no more, and wait until everything that was begun is over for its client."""
        self._stopped = True
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        assert not late, f"{len(late)} clients wait for an end that does not come"
        for task in self._tasks:
            task.result()

    async def recovered(self, since: float, spill: Path, *, seconds: float = 30.0) -> float:
        """Wait until a new message is stored and answered and no event waits in `spill`; give the seconds since."""
        async with asyncio.timeout(seconds):
            while not await self._answered():  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(_AGAIN_S)
        await eventually(lambda: not spilled(spill), seconds=seconds)
        return time.monotonic() - since

    def refusals(self) -> Counter[str]:
        """Count what new messages were refused with."""
        refused = [sent.reading for sent in self.sent if sent.reading.end is Ended.REFUSED]
        return Counter(f"{reading.status} {reading.refusal.get('error_category')}" for reading in refused)

    async def refused_but_kept(self) -> list[str]:
        """Give the messages that were refused for want of storage, and are there all the same."""
        kept: list[str] = []
        for recorder in self.recorders:
            told = await self._replicas[0].get(f"/api/chat/conversations/{recorder.conversation}/")
            there = {str(message["content"]) for message in told.json()["messages"]}
            refused = (sent for sent in recorder.sent if sent.reading.status == 503)
            kept += [sent.text for sent in refused if sent.text in there]
        return kept

    async def _answered(self) -> bool:
        try:
            recorder = await Recorder.create(self._replicas[0])
        except (AssertionError, httpx.TransportError):
            return False
        self.others.append(recorder)
        reading = await recorder.send(self._replicas[0], SHORT)
        return reading.end is Ended.DONE and reading.over and all(frame.durable for frame in reading.frames)

    async def _follow(self, recorder: Recorder, play: Play) -> None:
        reading = await recorder.send(self._replicas[0], play)
        await self._to_its_end(recorder, reading)

    async def _keep_sending(self, recorder: Recorder, play: Play) -> None:
        while not self._stopped:
            reading = await recorder.send(self._replicas[0], play)
            await self._to_its_end(recorder, reading)
            await asyncio.sleep(_AGAIN_S)

    async def _to_its_end(self, recorder: Recorder, reading: Reading) -> None:
        if reading.accepted and not reading.over:
            await recorder.follow(self._replicas, seconds=FOLLOW_S)


def spilled(folder: Path) -> list[Path]:
    """Give the files in which events wait for the database."""
    return sorted(folder.glob("gateway-events-*.jsonl"))


def undurable(recorders: Sequence[Recorder]) -> Iterator[int]:
    """Give how many events each was shown before they were stored."""
    for recorder in recorders:
        yield sum(not frame.durable for reading in recorder.readings for frame in reading.frames)


def shown_since(recorder: Recorder, moment: float) -> int:
    """Count the events that came after a moment of the loop's time."""
    return sum(frame.at > moment for reading in recorder.readings for frame in reading.frames)
