"""How often a stream is read, as the process gets busy and is free again."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from app.errors import StreamInterrupted
from app.providers import paced_body
from app.providers.pace import LAST_S, LOOK_S, STEADY_S, Pace
from app.providers.paced_body import FREE_READS
from app.providers.transport import Transport, UpstreamResponse
from tests.providers.sending import DEADLINES, ORIGIN

PIECES = 40
PIECE_S = STEADY_S / 10


@dataclass(slots=True)
class Machine:
    """A clock, and a process that uses a share of a core."""

    now: float = 100.0
    used: float = 7.0

    def work(self, seconds: float, share: float) -> None:
        self.now += seconds
        self.used += seconds * share

    def pace(self) -> Pace:
        return Pace(clock=lambda: self.now, used=lambda: self.used)


def test_there_is_no_pause_while_there_is_time() -> None:
    machine = Machine()
    pace = machine.pace()
    for _ in range(100):
        machine.work(LOOK_S, 0.25)
        assert pace.pause() == 0.0


def test_the_pause_grows_with_the_work_and_goes_with_it() -> None:
    machine = Machine()
    pace = machine.pace()
    pauses: list[float] = []
    for share in (0.4, 0.5, 0.7, 0.8, 0.95, 1.0):
        for _ in range(50):
            machine.work(LOOK_S, share)
            pace.pause()
        pauses.append(pace.pause())
    assert 0.0 < pauses[0] < pauses[1] < pauses[2] == pauses[3] == STEADY_S < pauses[4] < pauses[5]
    assert pauses[5] == pytest.approx(STEADY_S + LAST_S, abs=0.001)
    for _ in range(50):
        machine.work(LOOK_S, 0.1)
        pace.pause()
    assert pace.pause() == 0.0


def test_one_busy_moment_is_no_load() -> None:
    machine = Machine()
    pace = machine.pace()
    machine.work(LOOK_S, 1.0)
    assert pace.pause() == 0.0


def test_what_was_long_ago_does_not_count() -> None:
    machine = Machine()
    pace = machine.pace()
    for _ in range(50):
        machine.work(LOOK_S, 1.0)
        pace.pause()
    machine.work(60.0, 0.01)
    assert pace.pause() == 0.0


def _busy() -> Pace:
    machine = Machine()
    pace = machine.pace()
    machine.work(10.0, 0.8)
    assert pace.pause() == STEADY_S
    return pace


@asynccontextmanager
async def _talking(*, ends: bool = True) -> AsyncGenerator[str]:
    """Serve a body in pieces that come one after the other, and is cut where it does not end."""

    answering: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        if task is not None:
            answering.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for number in range(PIECES):
                writer.write(b"4\r\n%03d,\r\n" % number)
                await writer.drain()
                await asyncio.sleep(PIECE_S)
            writer.write(b"0\r\n\r\n" if ends else b"")
        except ConnectionError:
            pass  # the reader has left
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        server.close()
    if answering:
        await asyncio.wait(answering)


@asynccontextmanager
async def _asked(url: str, pace: Pace) -> AsyncGenerator[UpstreamResponse]:
    async with (
        Transport(pace=pace) as transport,
        transport.request("GET", url, headers={}, body=None, deadlines=DEADLINES, origin=ORIGIN) as response,
    ):
        yield response


WHOLE = b"".join(b"%03d," % number for number in range(PIECES))


async def test_a_busy_process_reads_more_at_once_and_loses_nothing() -> None:
    async with _talking() as url, _asked(url, _busy()) as response:
        chunks = [chunk async for chunk in response.chunks()]
    assert b"".join(chunks) == WHOLE
    assert len(chunks) <= FREE_READS + PIECES / 5


async def test_what_comes_while_a_read_is_worked_on_waits_for_the_rest_too() -> None:
    chunks: list[bytes] = []
    async with _talking() as url, _asked(url, _busy()) as response:
        async for chunk in response.chunks():
            chunks.append(chunk)
            await asyncio.sleep(PIECE_S * 2)
    assert b"".join(chunks) == WHOLE
    assert len(chunks) <= FREE_READS + PIECES / 3


async def test_a_free_process_reads_each_piece() -> None:
    async with _talking() as url, _asked(url, Machine().pace()) as response:
        chunks = [chunk async for chunk in response.chunks()]
    assert b"".join(chunks) == WHOLE
    assert len(chunks) > FREE_READS + PIECES / 4


@asynccontextmanager
async def _rested(transport: Transport, url: str) -> AsyncGenerator[UpstreamResponse]:
    """Give a response whose next read has a rest before it."""
    async with transport.request("GET", url, headers={}, body=None, deadlines=DEADLINES, origin=ORIGIN) as response:
        for _ in range(FREE_READS):
            await response.readany()
        yield response


async def test_a_stream_that_rests_lets_first_words_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced_body, "MOST_YIELDS", 1_000_000)
    async with _talking() as url, Transport(pace=_busy()) as transport, _rested(transport, url) as response:
        transport.first_words.expect("a run")
        reading = asyncio.create_task(response.readany())
        done, _ = await asyncio.wait({reading}, timeout=STEADY_S * 3)
        assert not done

        transport.first_words.passed_on("a run")
        assert await asyncio.wait_for(reading, DEADLINES.idle_s)


async def test_there_may_always_be_somebody_who_waits_for_a_first_word() -> None:
    async with _talking() as url, Transport(pace=_busy()) as transport, _rested(transport, url) as response:
        transport.first_words.expect("a run")
        assert await asyncio.wait_for(response.readany(), DEADLINES.idle_s)


async def test_a_connection_that_is_cut_in_a_pause_is_noticed_and_what_came_is_given() -> None:
    chunks: list[bytes] = []

    async def read(response: UpstreamResponse) -> None:
        while True:
            chunks.append(await response.readany())

    async with _talking(ends=False) as url, _asked(url, _busy()) as response:
        with pytest.raises(StreamInterrupted):
            await read(response)
    body = b"".join(chunks)
    assert WHOLE.startswith(body)
    assert len(body) > len(WHOLE) / 2


async def test_who_leaves_in_a_pause_leaves_nothing_behind() -> None:
    async with _talking() as url, _asked(url, _busy()) as response:
        for _ in range(FREE_READS):
            await response.readany()
        reading = asyncio.create_task(response.readany())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})
        assert reading.cancelled()
