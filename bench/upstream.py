"""A scripted upstream on OpenAI's chat wire: every answer at one fixed pace, every chunk with the time of its write.

`python -m bench.upstream` prints its port. It is as bare as it can be, so that what is measured is the other side.
"""

import argparse
import asyncio
import re
import sys
from dataclasses import dataclass
from typing import Final, cast, final

import uvloop
from typing_extensions import override

from bench import stamp
from bench.process import pin

_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_CHUNK: Final = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench-1",%s}\n\n'
)
_CHOICE: Final = b'"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What every request is answered."""

    chunks: int
    pace_s: float
    """From one chunk to the next, and from the last one to the end."""


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(delta: bytes, reason: bytes = b"null") -> bytes:
    return _framed(_CHUNK % (_CHOICE % (delta, reason)))


def _end(chunks: int) -> bytes:
    counts = b'"prompt_tokens":10,"completion_tokens":%d,"total_tokens":%d' % (chunks, chunks + 10)
    usage = _framed(_CHUNK % (b'"choices":[],"usage":{%s}' % counts))
    return _event(b"{}", b'"stop"') + usage + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


_ROLE: Final = _event(b'{"role":"assistant","content":""}')
_BEFORE, _, _AFTER = _event(b'{"content":"%s "}' % (b"?" * stamp.CHARS)).partition(b"?" * stamp.CHARS)


@final
class Answers(asyncio.Protocol):
    """One connection: one request at a time, each answered by the script.

    It never waits for a slow reader: what is late is late in the figures.
    """

    def __init__(self, script: Script) -> None:
        """Take what to answer."""
        self._script = script
        self._end = _end(script.chunks)
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._sent = 0
        self._began = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the class.
        self._transport = cast("asyncio.WriteTransport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or len(body) < int(length[1] if length else 0):
            return
        self._received, self._sent, self._began = b"", 0, self._loop.time()
        self._send(_HEAD + _ROLE)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def _send(self, before: bytes = b"") -> None:
        if self._transport is None:
            return
        if self._sent == self._script.chunks:
            self._transport.write(self._end)
            return
        self._transport.write(before + _BEFORE + stamp.write() + _AFTER)
        self._sent += 1
        # Counted from the beginning, so that a late chunk does not move all that follow.
        self._timer = self._loop.call_at(self._began + self._sent * self._script.pace_s, self._send)


async def _serve(script: Script) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Answers(script), "127.0.0.1", 0, backlog=2048)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, required=True)
    parser.add_argument("--pace", type=float, required=True, help="seconds between two chunks")
    parser.add_argument("--cpu", type=int, required=True)
    options = parser.parse_args()
    pin(options.cpu)
    uvloop.run(_serve(Script(chunks=options.chunks, pace_s=options.pace)))


if __name__ == "__main__":
    main()
