import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sse_starlette.sse import AppStatus
from starlette.types import Receive, Scope, Send

from app.entry import encode
from app.events import MessageDelta, RunEnded, RunStarted, RunStatus
from app.runs.journal import Entry, Journal
from app.sse import DONE, StreamLimits, frame, respond
from tests.runs.following import follow
from tests.server import running
from tests.voyage_reader import read, read_cut

RUN_ID = UUID(int=7)


def _started() -> RunStarted:
    return RunStarted(conversation_id="c", user_message_id="u", message_id="m", provider="p", model="x")


def _delta(text: str) -> MessageDelta:
    return MessageDelta(message_id="m", content=text)


def _ended() -> RunEnded:
    return RunEnded(status=RunStatus.COMPLETED, message_id="m", provider="p", model="x")


def _journal(*texts: str, ended: bool = True) -> Journal:
    journal = Journal(RUN_ID)
    journal.append(_started())
    for text in texts:
        journal.append(_delta(text))
    if ended:
        journal.append(_ended())
    return journal


@dataclass
class Stream:
    """An application that streams one journal."""

    journal: Journal
    limits: StreamLimits = field(default_factory=StreamLimits)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """The reader of the journal is gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = respond(self._follow(), run_id=str(RUN_ID), limits=self.limits, headers={"X-Run-Id": str(RUN_ID)})
        await response(scope, receive, send)

    async def _follow(self) -> AsyncIterator[tuple[Entry, ...]]:
        try:
            async for batch in follow(self.journal):
                yield batch
        finally:
            self.closed.set()


@asynccontextmanager
async def _serving(stream: Stream) -> AsyncGenerator[httpx.AsyncClient]:
    async with (
        running(stream, lifespan="off") as base_url,
        httpx.AsyncClient(base_url=base_url, trust_env=False) as http,
    ):
        yield http


async def test_the_bytes_of_a_stream() -> None:
    journal = _journal("Hi\r\n\u2028😀")
    async with _serving(Stream(journal)) as http:
        response = await http.get("/")

    lines = [
        f"id: {RUN_ID}:1\nevent: run.started\ndata: ",
        '{"v":1,"type":"run.started","seq":1,"run_id":"' + str(RUN_ID) + '",',
        '"conversation_id":"c","user_message_id":"u","message_id":"m","provider":"p","model":"x"}\n\n',
        f"id: {RUN_ID}:2\nevent: message.delta\ndata: ",
        '{"v":1,"type":"message.delta","seq":2,"run_id":"' + str(RUN_ID) + '",',
        '"message_id":"m","content":"Hi\\r\\n\u2028😀"}\n\n',
    ]
    assert response.content.startswith("".join(lines).encode())
    assert response.content.endswith(b"}\n\n" + DONE)
    assert response.content.count(b"data: ") == 4
    assert b"\r" not in response.content
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-run-id"] == str(RUN_ID)


@dataclass(frozen=True)
class _Entry:
    seq: int
    type: str
    data: bytes


@given(st.lists(st.text(min_size=1, max_size=20), max_size=6), st.integers(1, 40))
def test_the_voyage_chat_shows_the_text_however_it_is_cut(texts: list[str], size: int) -> None:
    events = [_started(), *(_delta(text) for text in texts), _ended()]
    run_id = str(RUN_ID)
    entries = (encode(event, run_id=run_id, seq=seq) for seq, event in enumerate(events, start=1))
    body = b"".join(frame(entry, run_id) for entry in entries) + DONE

    reader = read_cut(body, size)

    assert reader.bubble == "".join(texts)
    assert [event["seq"] for event in reader.events] == list(range(1, len(texts) + 3))


async def test_pings_keep_a_silent_stream_open() -> None:
    journal = _journal(ended=False)
    async with _serving(Stream(journal, StreamLimits(ping_s=0.02))) as http, http.stream("GET", "/") as response:
        chunks = response.aiter_raw()
        body = b""
        while body.count(b": ping\n\n") < 3:
            body += await anext(chunks)
        journal.append(_delta("Late"))
        journal.append(_ended())
        body += b"".join([chunk async for chunk in chunks])

    assert body.replace(b": ping\n\n", b"").startswith(b"id: ")
    assert read_cut(body, 1).bubble == "Late"


async def test_a_batch_is_one_write_and_a_late_reader_gets_all() -> None:
    writes: list[bytes] = []

    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, object]) -> None:
        body = message.get("body")
        if isinstance(body, bytes) and body:
            writes.append(body)

    stream = Stream(_journal(*("x" for _ in range(200))))
    await stream({"type": "http", "method": "POST"}, receive, send)  # pyright: ignore[reportArgumentType]  # a bare ASGI server

    assert len(writes) == 2
    assert read_cut(writes[0], 4096).bubble == "x" * 200
    assert writes[1] == DONE


async def test_a_reader_that_leaves_is_let_go_and_the_journal_goes_on() -> None:
    stream = Stream(_journal("Hi", ended=False))
    async with _serving(stream) as http:
        async with http.stream("GET", "/") as response:
            await anext(response.aiter_raw())
        async with asyncio.timeout(5):
            await stream.closed.wait()
        stream.journal.append(_ended())

        assert (await http.get("/")).content.endswith(DONE)


async def test_a_reader_that_stops_reading_is_cut(capfd: pytest.CaptureFixture[str]) -> None:
    stream = Stream(_journal(*("x" * 100_000 for _ in range(400))), StreamLimits(send_s=0.1))
    async with _serving(stream) as http:
        url = urlsplit(str(http.base_url))
        _, writer = await asyncio.open_connection(url.hostname, url.port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            await stream.closed.wait()
        writer.close()
    logged = "".join(capfd.readouterr())
    assert "reader_too_slow" in logged
    assert "Traceback" not in logged


async def test_a_stopping_server_waits_for_the_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(_journal("Hi", ended=False), StreamLimits(grace_s=5.0))
    async with _serving(stream) as http, http.stream("GET", "/") as response:
        chunks = response.aiter_raw()
        body = await anext(chunks)
        monkeypatch.setattr(AppStatus, "should_exit", True)
        asyncio.get_running_loop().call_later(0.8, lambda: stream.journal.append(_ended()))
        body += b"".join([chunk async for chunk in chunks])

    assert body.endswith(DONE)
    assert read_cut(body, 1).events[-1]["type"] == "run.completed"


async def test_a_stopping_server_does_not_wait_longer_than_its_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(_journal("Hi", ended=False), StreamLimits(grace_s=0.1))
    monkeypatch.setattr(AppStatus, "should_exit", True)
    async with _serving(stream) as http, http.stream("GET", "/") as response:
        with pytest.raises(httpx.RemoteProtocolError):
            await read(response.aiter_raw())
