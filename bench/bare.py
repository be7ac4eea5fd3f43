"""A simple durable relay with nothing around it, to compare the gateway with.

`python -m bench.bare` takes the options of `bench.gateway` and answers the same load. A message, its answer and its run
are stored before the 200, every piece of text before it is shown, with the same SQLite and FULL sync, one transaction
for whatever has come meanwhile. It reads every piece as it comes, so a full load can cost it more than the gateway.
There is no sign-in, no validation, no routing, no error handling, no resume: nobody could use it.
"""

import argparse
import asyncio
import queue
import signal
import socket
import sqlite3
import sys
import threading
import uuid
from collections.abc import Callable, Generator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import aiohttp
import orjson
import uvicorn
import uvloop
from typing_extensions import override

from bench.lag import LagProbe
from bench.process import pin

_JSON: Final = [(b"content-type", b"application/json")]
_STREAM: Final = [(b"content-type", b"text/event-stream")]
_SCHEMA: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "CREATE TABLE messages (id TEXT PRIMARY KEY, run TEXT, content TEXT)",
    "CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT)",
    "CREATE TABLE journal (number INTEGER PRIMARY KEY, frames BLOB)",
)
_CLOSE_S: Final = 5.0
Message = MutableMapping[str, Any]


@dataclass(slots=True, eq=False)
class _Run:
    """One answer on its way."""

    begun: "asyncio.Future[None]"
    asked: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    seq: int = 1
    pending: list[str] = field(default_factory=list[str])
    text: list[str] = field(default_factory=list[str])
    frames: list[bytes] = field(default_factory=list[bytes])
    """What may be shown."""
    ended: bool = False
    closed: bool = False
    waiter: "asyncio.Future[None] | None" = None

    def frame(self) -> bytes:
        """Give what is pending as frames."""
        frames = b""
        if self.pending:
            piece, self.seq = "".join(self.pending), self.seq + 1
            self.pending.clear()
            self.text.append(piece)
            head = f'id: {self.id}:{self.seq}\nevent: message.delta\ndata: {{"seq":{self.seq},"run_id":"{self.id}",'
            frames = head.encode() + b'"content":' + orjson.dumps(piece) + b"}\n\n"
        if self.ended:
            frames += b'event: run.completed\ndata: {"finish_reason":"stop"}\n\ndata: [DONE]\n\n'
        return frames


@dataclass(frozen=True, slots=True)
class _Commit:
    """What one transaction stores."""

    starts: Sequence[_Run]
    frames: Sequence[tuple[_Run, bytes]]
    ends: Sequence[_Run]


@final
class _Store:
    """One thread with one connection; the next transaction begins as soon as the last one is over."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._starts: list[_Run] = []
        self._marked: dict[_Run, None] = {}
        self._busy = False
        self._work: queue.SimpleQueue[_Commit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="store")
        self._thread.start()

    def close(self) -> None:
        self._work.put(None)
        self._thread.join(_CLOSE_S)

    def begin(self, run: _Run) -> None:
        self._starts.append(run)
        self._next()

    def mark(self, run: _Run) -> None:
        self._marked[run] = None
        self._next()

    def _next(self) -> None:
        if self._busy or not (self._starts or self._marked):
            return
        self._busy = True
        starts, self._starts = self._starts, []
        marked, self._marked = self._marked, {}
        ends = [run for run in marked if run.ended]
        self._work.put(_Commit(starts, [(run, run.frame()) for run in marked], ends))

    def _write(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        for statement in _SCHEMA:
            connection.execute(statement)
        while (commit := self._work.get()) is not None:
            connection.execute("BEGIN IMMEDIATE")
            for run in commit.starts:
                rows = [(str(uuid.uuid4()), run.id, run.asked), (run.id, run.id, "")]
                connection.executemany("INSERT INTO messages VALUES (?, ?, ?)", rows)
                connection.execute("INSERT INTO runs VALUES (?, 'running')", (run.id,))
            frames = b"".join(frame for _, frame in commit.frames)
            if frames:
                connection.execute("INSERT INTO journal (frames) VALUES (?)", (frames,))
            for run in commit.ends:
                connection.execute("UPDATE messages SET content = ? WHERE id = ?", ("".join(run.text), run.id))
                connection.execute("UPDATE runs SET status = 'completed' WHERE id = ?", (run.id,))
            connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(self._show, commit)
        connection.close()

    def _show(self, commit: _Commit) -> None:
        for run in commit.starts:
            if not run.begun.done():
                run.begun.set_result(None)
        for run, frame in commit.frames:
            run.frames.append(frame)
            if run.waiter is not None and not run.waiter.done():
                run.waiter.set_result(None)
        for run in commit.ends:
            run.closed = True
        self._busy = False
        self._next()


@final
class _Relay:
    """The application: any path that ends with `send_message/` streams, all others give an id."""

    def __init__(self, upstream: str, store: _Store, session: aiohttp.ClientSession) -> None:
        self._url = f"{upstream}/v1/chat/completions"
        self._store = store
        self._session = session
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Message, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if not scope["path"].endswith("send_message/"):
            await send({"type": "http.response.start", "status": 200, "headers": _JSON})
            await send({"type": "http.response.body", "body": orjson.dumps({"id": str(uuid.uuid4())})})
            return
        run = _Run(asyncio.get_running_loop().create_future(), orjson.loads(body)["message"])
        self._store.begin(run)
        await run.begun
        task = asyncio.create_task(self._answer(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        await _send_all(run, send)

    async def _answer(self, run: _Run) -> None:
        messages = [{"role": "user", "content": run.asked}]
        payload = orjson.dumps({"model": "bench-1", "messages": messages, "stream": True})
        async with self._session.post(self._url, data=payload) as response:
            rest = b""
            while chunk := await response.content.readany():
                *events, rest = (rest + chunk).split(b"\n\n")
                run.pending += [text for event in events if (text := _text_of(event))]
                if run.pending:
                    self._store.mark(run)
        run.ended = True
        self._store.mark(run)


def _text_of(event: bytes) -> str:
    data = event.removeprefix(b"data: ")
    if data == b"[DONE]":
        return ""
    choices = orjson.loads(data)["choices"]
    return choices[0]["delta"].get("content", "") if choices else ""


async def _send_all(run: _Run, send: Callable[[Message], Any]) -> None:
    sent = 0
    while True:
        if sent < len(run.frames):
            body, sent = b"".join(run.frames[sent:]), len(run.frames)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        elif run.closed:
            break
        else:
            run.waiter = asyncio.get_running_loop().create_future()
            await run.waiter
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@final
class _Server(uvicorn.Server):
    """The server without its way of dying by the signal that ends it: there are figures to write."""

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        yield

    def _end(self) -> None:
        self.should_exit = True


async def _serve(path: str, upstream: str, probe: LagProbe) -> None:
    store = _Store(path)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            relay = _Relay(upstream, store, session)
            config = uvicorn.Config(relay, http="httptools", lifespan="off", log_level="warning", access_log=False)
            with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
                measuring = asyncio.create_task(probe.measure(), name="lag probe")
                sys.stdout.write(f"{listener.getsockname()[1]}\n")
                sys.stdout.flush()
                try:
                    await _Server(config).serve(sockets=[listener])
                finally:
                    measuring.cancel()
    finally:
        store.close()


def main() -> None:
    """Serve until SIGTERM, then write how late the loop was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="sqlite:///PATH")
    parser.add_argument("--upstream", required=True, help="http://127.0.0.1:PORT")
    parser.add_argument("--lag", type=Path, required=True, help="the file to write")
    parser.add_argument("--cpu", type=int, required=True)
    options = parser.parse_args()
    pin(options.cpu)
    probe = LagProbe()
    uvloop.run(_serve(options.database.removeprefix("sqlite:///"), options.upstream, probe))
    probe.write(options.lag)


if __name__ == "__main__":
    main()
