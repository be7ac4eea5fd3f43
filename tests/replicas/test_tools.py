"""The process, the upstream and the client that the proofs with several replicas are made of."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.replicas.environment import TOKENS, environment
from tests.replicas.frames import FrameParser
from tests.replicas.invented import DONE, frame
from tests.replicas.play import Play, text_of
from tests.replicas.process import REPOSITORY, NotStartedError, Replica
from tests.replicas.reading import Ended
from tests.replicas.recorder import Recorder
from tests.replicas.upstream import PlayingUpstream

ID = "0a8d3d0e-52c7-43d5-9a50-2b0f63ff6e3d"


@pytest.fixture
async def upstream() -> AsyncIterator[PlayingUpstream]:
    async with PlayingUpstream() as running:
        yield running


@pytest.fixture
async def replica(sqlite_url: str, tmp_path: Path, upstream: PlayingUpstream) -> AsyncIterator[Replica]:
    environ = environment(sqlite_url, upstream.base_url, tmp_path, GATEWAY_SHUTDOWN_GRACE_SECONDS="0.2")
    async with Replica(environ, log=tmp_path / "replica.log") as running:
        yield running


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_frames_are_found_however_they_are_cut(size: int) -> None:
    frames = [frame(ID, 1, "run.started", name="Zoë"), frame(ID, 2, "message.delta", content="\n\n: ping"), DONE]
    body = b": ping\n\n".join(frames) + frame(ID, 3, "run.completed")[:-1]
    parser = FrameParser()
    found = [frame for place in range(0, len(body), size) for frame in parser.feed(body[place : place + size], 0.0)]

    assert [frame.raw for frame in found] == frames
    assert [(frame.seq, frame.type, frame.done) for frame in found] == [
        (1, "run.started", False),
        (2, "message.delta", False),
        (0, "", True),
    ]
    assert parser.odd == []


def test_an_event_may_lose_its_mark_of_not_being_stored_and_nothing_else() -> None:
    parser = FrameParser()
    (marked,) = parser.feed(frame(ID, 2, "message.delta", content="a", durable=False), 0.0)
    (stored,) = parser.feed(frame(ID, 2, "message.delta", content="a"), 0.0)
    (other,) = parser.feed(frame(ID, 2, "message.delta", content="b"), 0.0)

    assert (marked.durable, stored.durable) == (False, True)
    assert marked.same(stored)
    assert not marked.same(other)
    assert not stored.same(marked)


def test_a_play_is_what_its_message_says() -> None:
    play = Play(chunks=2, pace_ms=5, gate="door", at=1)

    assert str(play) == "play chunks=2 pace_ms=5 gate=door at=1"
    assert Play.of(f"Please {play} #ab") == play
    assert text_of(f"{play} #ab") == "ab·1 ab·2 "


def test_the_process_does_without_litellm() -> None:
    code = "import sys, tests.replicas.serve_native; print('litellm' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)  # noqa: S603 - our own command

    assert said.stdout == "False\n"


async def test_a_replica_streams_an_answer_and_ends_when_asked(replica: Replica, upstream: PlayingUpstream) -> None:
    async with replica.client(TOKENS["alice"]) as http:
        recorder = await Recorder.create(http)
        reading = await recorder.send(http, Play(chunks=50, pace_ms=1))
    memory = replica.rss()
    ended = await replica.terminate()

    assert (reading.end, reading.over, reading.accepted, reading.odd) == (Ended.DONE, True, True, [])
    assert [frame.seq for frame in reading.frames] == list(range(1, len(reading.frames) + 1))
    assert reading.text == text_of(recorder.sent[0].text)
    assert 10_000_000 < memory < 500_000_000
    assert (ended.code, replica.alive, len(upstream.calls), replica.errors()) == (0, False, 1, [])
    assert ended.seconds < 5


async def test_a_replica_that_is_killed_cuts_its_streams_and_comes_back(
    replica: Replica, upstream: PlayingUpstream
) -> None:
    async with replica.client(TOKENS["alice"]) as http:
        recorder = await Recorder.create(http)
        sending = asyncio.create_task(recorder.send(http, Play(chunks=5, gate="door", at=3)))
        await upstream.reached("door")
        await recorder.until(lambda: recorder.seen >= 2)
        killed = await replica.kill()
        reading = await sending
        closed_at = await upstream.closed(recorder.sent[0].text)
        unreached = await recorder.send(http, Play())
        await replica.restart()
        told = await http.get(f"/api/chat/conversations/{recorder.conversation}/")

    assert killed.code == -9
    assert (reading.end, reading.over, unreached.end) == (Ended.CUT, False, Ended.UNREACHED)
    assert closed_at - reading.began_at < 10
    assert [message["status"] for message in told.json()["messages"]] == ["complete", "interrupted"]


async def test_a_replica_that_is_held_says_nothing_until_it_goes_on(replica: Replica) -> None:
    async with replica.client(TOKENS["alice"]) as http, replica.client(TOKENS["alice"], read_s=0.3) as impatient:
        recorder = await Recorder.create(http)
        await replica.pause()
        held = await recorder.send(impatient, Play())
        await replica.resume()
        there = await http.get("/health/live")

    assert (held.end, held.status) == (Ended.SILENT, None)
    assert there.status_code == 200


async def test_a_cancelled_run_is_seen_to_leave_the_upstream(replica: Replica, upstream: PlayingUpstream) -> None:
    async with replica.client(TOKENS["alice"]) as http:
        recorder = await Recorder.create(http)
        sending = asyncio.create_task(recorder.send(http, Play(chunks=5, gate="door", at=2)))
        await upstream.reached("door")
        began = await recorder.cancel(http)
        latency = await upstream.closed(recorder.sent[0].text) - began
        reading = await sending

    assert 0 < latency < 5
    assert (reading.end, reading.frames[-1].type) == (Ended.DONE, "run.cancelled")
    assert upstream.calls[0].client_left


async def test_a_process_that_does_not_start_says_why(sqlite_url: str, tmp_path: Path) -> None:
    environ = environment(sqlite_url, "http://127.0.0.1:1", tmp_path, GATEWAY_NO_SUCH="1")
    with pytest.raises(NotStartedError, match="Unknown setting GATEWAY_NO_SUCH"):
        async with Replica(environ, log=tmp_path / "replica.log"):
            pass
