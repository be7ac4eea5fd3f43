"""SIGTERM with many streams: bodies end properly, the process ends in time, and no run is lost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from tests.replicas.curl import Curl
from tests.replicas.environment import MODEL, PROVIDER, TOKENS, environment
from tests.replicas.history import Recorder, check_history
from tests.replicas.play import Play, text_of
from tests.replicas.process import Replica
from tests.replicas.reading import Ended
from tests.replicas.recorder import Sent
from tests.replicas.sides import Store, store_of
from tests.replicas.upstream import PlayingUpstream
from tests.valkey_server import valkey

__all__ = ["valkey"]
GRACE_S = 1.0
CURLS = 10
TOKEN = TOKENS["alice"]


@pytest.fixture
async def upstream() -> AsyncGenerator[PlayingUpstream]:
    async with PlayingUpstream() as running:
        yield running


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    return store_of(request.param, request)


def _environ(store: Store, upstream: PlayingUpstream, folder: Path, **more: str) -> dict[str, str]:
    if store.valkey_url is not None:
        more["GATEWAY_VALKEY_URL"] = store.valkey_url.get_secret_value()
    grace = {"GATEWAY_SHUTDOWN_GRACE_SECONDS": str(GRACE_S)}
    return environment(store.url, upstream.base_url, folder, **grace, **more)


@asynccontextmanager
async def _curl(recorder: Recorder, replica: Replica, play: Play) -> AsyncGenerator[Curl]:
    """Let curl send a message of this conversation; what it reads is the recorder's."""
    text = f"{play} #{recorder.conversation.replace('-', '')}"
    url = f"{replica.base_url}/api/chat/conversations/{recorder.conversation}/send_message/"
    json = orjson.dumps({"provider": PROVIDER, "model": MODEL, "message": text}).decode()
    curl = await Curl.begin(url, TOKEN, json=json)
    recorder.sent.append(Sent(text, None, curl.reading))
    recorder.readings.append(curl.reading)
    try:
        yield curl
    finally:
        await curl.kill()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("store", "streams"),
    [
        ("sqlite", 20),
        *(pytest.param(store, 50, marks=pytest.mark.prove) for store in ("sqlite", "postgres")),
    ],
    indirect=["store"],
)
async def test_streams_end_properly_and_the_process_in_time(
    store: Store, upstream: PlayingUpstream, tmp_path: Path, streams: int
) -> None:
    """A fifth of the answers comes to its end within the grace, the others are written without an end."""
    endless, short = Play(chunks=5_000, pace_ms=100), Play(chunks=3, gate="door", at=2)
    async with AsyncExitStack() as stack:
        replica = await stack.enter_async_context(
            Replica(_environ(store, upstream, tmp_path), log=tmp_path / "replica.log")
        )
        http = await stack.enter_async_context(replica.client(TOKEN))
        recorders = [await Recorder.create(http) for _ in range(streams)]
        plays = [short if place % 5 == 0 else endless for place in range(streams)]
        curls = [
            await stack.enter_async_context(_curl(recorder, replica, play))
            for recorder, play in zip(recorders[:CURLS], plays, strict=False)
        ]
        sending = [
            asyncio.create_task(recorder.send(http, play))
            for recorder, play in zip(recorders[CURLS:], plays[CURLS:], strict=True)
        ]
        await asyncio.gather(*(curl.until(b"event: message.delta") for curl in curls))
        for recorder in recorders[CURLS:]:
            await recorder.until(lambda recorder=recorder: recorder.seen >= 2, seconds=30)
        await upstream.reached("door", plays.count(short), seconds=30)

        stopping = asyncio.create_task(replica.terminate(seconds=GRACE_S + 15))
        await _refused(replica, recorders[0])
        upstream.open("door")
        codes = [await curl.end() for curl in curls]
        await asyncio.gather(*sending)
        ended = await stopping

        assert codes == [0] * CURLS
        first = [recorder.readings[0] for recorder in recorders]
        # On a machine that is too busy to store the ends in time, a reader is told where to find its own.
        assert {reading.end for reading in first} <= {Ended.DONE, Ended.DETACHED}
        assert (ended.code, replica.errors()) == (0, [])
        assert ended.seconds < GRACE_S + 15

        await replica.start()
        figures = await check_history(recorders, http)
    print(f"SIGTERM with {streams} streams: {ended.seconds:.2f} s, {figures}")  # noqa: T201 - the figures of the proof
    assert (figures.runs, figures.events_lost, figures.runs_not_terminal) == (streams, 0, 0)
    assert figures.ends == {"run.completed": plays.count(short), "run.interrupted": plays.count(endless)}


async def _refused(replica: Replica, recorder: Recorder) -> None:
    """Wait until the process has understood: it takes no more messages, or no more connections."""
    async with asyncio.timeout(10), replica.client(TOKEN) as http:
        while True:
            try:
                answer = await http.post(
                    f"/api/chat/conversations/{recorder.conversation}/send_message/", json={"message": "Late"}
                )
            except httpx.TransportError:
                return
            if answer.status_code == 503:
                return


@pytest.mark.parametrize("store", ["postgres+valkey", pytest.param("postgres", marks=pytest.mark.prove)], indirect=True)
async def test_readers_of_the_other_replicas_runs_are_sent_there(
    store: Store, upstream: PlayingUpstream, tmp_path: Path
) -> None:
    play = Play(chunks=6, gate="door", at=4)
    environ = _environ(store, upstream, tmp_path)
    async with AsyncExitStack() as stack:
        writer, other = [
            await stack.enter_async_context(Replica(environ, log=tmp_path / f"{name}.log"))
            for name in ("writer", "other")
        ]
        here = await stack.enter_async_context(writer.client(TOKEN))
        there = await stack.enter_async_context(other.client(TOKEN))
        recorders = [await Recorder.create(here) for _ in range(4)]
        sending = [asyncio.create_task(recorder.send(here, play)) for recorder in recorders]
        await upstream.reached("door", len(recorders))
        for recorder in recorders:
            await recorder.until(lambda recorder=recorder: recorder.readings[0].text.count("·") == 4)
        following = [asyncio.create_task(recorder.resume(there, after=0)) for recorder in recorders]
        curl = await Curl.begin(f"{other.base_url}/api/chat/runs/{recorders[0].run_id}/stream/", TOKEN)
        stack.push_async_callback(curl.kill)
        await curl.until("·4 ".encode())
        for recorder in recorders:
            await recorder.until(lambda recorder=recorder: len(recorder.readings) == 2 and _shows(recorder, 1, 4))

        ended = await other.terminate(seconds=GRACE_S + 15)
        code = await curl.end()
        detached = await asyncio.gather(*following)
        upstream.open("door")
        whole = await asyncio.gather(*sending)
        rest = [
            await recorder.resume(
                here, run_id=reading.run_id, after=reading.seen, path=reading.detachment["resume_url"]
            )
            for recorder, reading in zip(recorders, detached, strict=True)
        ]
        figures = await check_history(recorders, here)

    assert (ended.code, code, curl.reading.end, other.errors(), writer.errors()) == (0, 0, Ended.DETACHED, [], [])
    print(f"SIGTERM with readers of other runs: {ended.seconds:.2f} s")  # noqa: T201 - the figure of the proof
    assert [reading.end for reading in detached] == [Ended.DETACHED] * 4
    for recorder, reading, more, all_of_it in zip(recorders, detached, rest, whole, strict=True):
        said = reading.detachment
        assert said["resume_url"] == f"/api/chat/runs/{reading.run_id}/stream/"
        assert said["retry_ms"] > 0
        assert said["error"].startswith(reading.text + "\n\n")
        assert (all_of_it.end, all_of_it.text) == (Ended.DONE, text_of(recorder.sent[0].text))
        assert more.end is Ended.DONE
        assert [frame.raw for frame in (*reading.frames, *more.frames)] == [frame.raw for frame in all_of_it.frames]
    assert figures.ends == {"run.completed": 4}


def _shows(recorder: Recorder, place: int, chunks: int) -> bool:
    return recorder.readings[place].text.count("·") == chunks
