"""Readers that go amid a long replay, and readers that take nothing: neither costs anybody else anything."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.replicas.environment import TOKENS, environment
from tests.replicas.frames import Frame, FrameParser
from tests.replicas.long_run import long_run
from tests.replicas.process import Replica
from tests.replicas.reading import Ended
from tests.replicas.upstream import PlayingUpstream

EVENTS: Final = 20_000
SIZE: Final = 300
WINDOW_S: Final = 0.5
TOKEN: Final = TOKENS["alice"]


@pytest.fixture
async def upstream() -> AsyncGenerator[PlayingUpstream]:
    async with PlayingUpstream() as running:
        yield running


@pytest.fixture
async def replica(sqlite_url: str, tmp_path: Path, upstream: PlayingUpstream) -> AsyncGenerator[Replica]:
    times = {"GATEWAY_SHUTDOWN_GRACE_SECONDS": "0.2", "GATEWAY_SEND_TIMEOUT_SECONDS": "0.5"}
    environ = environment(sqlite_url, upstream.base_url, tmp_path, **times)
    async with Replica(environ, log=tmp_path / "replica.log") as running:
        yield running


def _cpu_s(replica: Replica) -> float:
    """Give the seconds that the process has computed."""
    fields = Path(f"/proc/{replica.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _quiet(replica: Replica) -> None:
    """Wait until the process computes for less than a tenth of the time; raises `TimeoutError`."""
    async with asyncio.timeout(20):
        while True:
            before = _cpu_s(replica)
            await asyncio.sleep(WINDOW_S)  # what is measured is how much it does in this time
            if _cpu_s(replica) - before < WINDOW_S / 10:
                return


async def test_clients_that_go_amid_a_replay_leave_a_quiet_process(replica: Replica, sqlite_url: str) -> None:
    async with replica.client(TOKEN) as http:
        recorder, run = await long_run(http, sqlite_url, events=EVENTS, size=SIZE)
        await _quiet(replica)
        before = _cpu_s(replica)
        whole = await recorder.resume(http, run_id=run, after=0)
        replay_s = _cpu_s(replica) - before
        for number in range(20):
            async with http.stream("GET", f"/api/chat/runs/{run}/stream/", params={"after": str(number)}) as response:
                assert (await anext(response.aiter_raw())).startswith(f"id: {run}:{number + 1}\n".encode())
        asked = asyncio.get_running_loop().time()
        there = await http.get(f"/api/chat/runs/{run}/")
        answered_s = asyncio.get_running_loop().time() - asked
        await _quiet(replica)
        left_s = _cpu_s(replica) - before - replay_s
    ended = await replica.terminate()

    print(f"replay of {EVENTS} events: {replay_s * 1e6 / EVENTS:.0f} us each; 20 that left: {left_s:.2f} s")  # noqa: T201 - the figures of the proof
    assert (whole.end, whole.seen, len(whole.frames), whole.odd) == (Ended.DONE, EVENTS, EVENTS, [])
    assert (there.status_code, there.json()["last_seq"]) == (200, EVENTS)
    assert answered_s < 5
    assert left_s < 20 * replay_s / 2
    assert (ended.code, replica.errors()) == (0, [])
    assert ended.seconds < 10


async def test_a_reader_that_takes_nothing_is_dropped_and_can_read_on(replica: Replica, sqlite_url: str) -> None:
    async with replica.client(TOKEN) as http, _client(replica) as frozen:
        recorder, run = await long_run(http, sqlite_url, events=EVENTS, size=SIZE)
        whole = await recorder.resume(http, run_id=run, after=0)
        path = f"/api/chat/runs/{run}/stream/"
        async with frozen.stream("GET", path) as response, frozen.stream("GET", path):
            await _logged(replica, "reader_too_slow", 2)
            seen = await _read_till_cut(response)
            rest = await recorder.resume(http, run_id=run, after=seen[-1].seq)
            ended = await replica.terminate()

    print(f"SIGTERM with a frozen reader that was dropped: {ended.seconds:.2f} s")  # noqa: T201 - the figure of the proof
    assert 0 < seen[-1].seq < EVENTS
    assert [frame.raw for frame in (*seen, *rest.frames)] == [frame.raw for frame in whole.frames]
    assert rest.end is Ended.DONE
    assert (ended.code, replica.errors()) == (0, [])
    assert ended.seconds < 4  # a connection that was still there would be waited for


def _client(replica: Replica) -> httpx.AsyncClient:
    """Give one whose kernel takes little for it while it does not read."""
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)]
    transport = httpx.AsyncHTTPTransport(verify=False, trust_env=False, socket_options=small)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.AsyncClient(base_url=replica.base_url, headers=headers, transport=transport, timeout=30)


async def _logged(replica: Replica, text: str, times: int) -> None:
    async with asyncio.timeout(30):
        while (await asyncio.to_thread(replica.log.read_text)).count(text) < times:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.02)


async def _read_till_cut(response: httpx.Response) -> list[Frame]:
    """Give the whole frames of what was on its way when the connection was cut."""
    parser, frames = FrameParser(), list[Frame]()
    try:
        async for chunk in response.aiter_raw():
            frames += parser.feed(chunk, 0.0)
    except httpx.TransportError:
        return frames
    pytest.fail("the body ended as if that were all")
