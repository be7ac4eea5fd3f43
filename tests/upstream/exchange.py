"""One response being written, byte by byte, so that it can go wrong anywhere."""

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Never, cast

from app.providers.provider import Wire
from tests.upstream.answer import Answer
from tests.upstream.frames import Dialect, Frame, dumps
from tests.upstream.recorded import Recorded
from tests.upstream.wires import DIALECTS

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_FLUSH_AT: Final = 256 * 1024


class Exchange:
    """The answering side of one request.

    Bytes are collected and leave in one write at `flush`, `pause`, `hang`, `end`, `drop` or `reset`, unless `split`
    asks for small pieces. Losing the client raises `ConnectionError` from a write, or cancels the task.
    """

    def __init__(self, recorded: Recorded, writer: asyncio.StreamWriter) -> None:
        self.recorded = recorded
        self.dialect: Dialect = DIALECTS[recorded.wire or Wire.OPENAI_CHAT]
        self.split: int | None = None
        self.keeps_open = recorded.headers.get("connection", "").lower() != "close"
        """Whether another request may follow on this connection."""
        self._writer = writer
        self._out = bytearray()
        self._chunked = False

    def frames(self, answer: Answer) -> Sequence[Frame]:
        """Give the answer as this wire streams it."""
        return self.dialect.frames(answer, self._request())

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Give the answer as this wire sends it to those who want no stream."""
        return self.dialect.whole(answer, self._request())

    def _request(self) -> dict[str, Any]:
        return self.recorded.json_object | {"model": self.recorded.model, "number": self.recorded.number}

    def head(
        self,
        status: int = 200,
        content_type: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        length: int | None = None,
        chunked: bool = True,
    ) -> None:
        """Write the status line and the headers; the body is a stream unless `length` is given."""
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
        lines = [f"HTTP/1.1 {status} {phrase}", f"content-type: {content_type or self.dialect.content_type}"]
        lines += [f"{name}: {value}" for name, value in (self._provider_headers() | dict(headers)).items()]
        self._chunked = chunked and length is None
        if self._chunked:
            lines.append("transfer-encoding: chunked")
        elif length is not None:
            lines.append(f"content-length: {length}")
        else:
            self.keeps_open = False
            lines.append("connection: close")
        self._out += "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _provider_headers(self) -> dict[str, str]:
        request_id = f"req_{self.recorded.number:024d}"
        match self.dialect.wire:
            case Wire.ANTHROPIC_MESSAGES:
                return {"cache-control": "no-cache", "request-id": request_id}
            case Wire.OPENAI_CHAT | Wire.OPENAI_RESPONSES:
                return {"cache-control": "no-cache", "x-request-id": request_id, "openai-processing-ms": "112"}
            case _:
                return {"cache-control": "no-cache"}

    async def send(self, data: bytes) -> None:
        """Write a piece of the body; nothing is sent for an empty one."""
        if not data:
            return
        if self.split is None:
            self._put(data)
            if len(self._out) >= _FLUSH_AT:
                await self.flush()
            return
        for start in range(0, len(data), self.split):
            self._put(data[start : start + self.split])
            await self.flush()
            await asyncio.sleep(0)  # lets a client in this loop read what has come so far

    def raw(self, data: bytes) -> None:
        """Write bytes as they are, outside of any framing."""
        self._out += data

    def _put(self, data: bytes) -> None:
        self._out += b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    async def json(self, status: int, body: object, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Write a whole JSON response."""
        await self.whole_body(status, "application/json", dumps(body), headers)

    async def whole_body(
        self, status: int, content_type: str | None, body: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Write a whole response of known length."""
        self.head(status, content_type, headers, length=len(body))
        await self.send(body)
        await self.end()

    async def flush(self) -> None:
        """Hand over to the socket what is collected."""
        if self._out:
            data, self._out = bytes(self._out), bytearray()
            self._writer.write(data)
        await self._writer.drain()

    async def pause(self, seconds: float) -> None:
        if seconds > 0:
            await self.flush()
            await asyncio.sleep(seconds)

    async def hang(self) -> Never:
        """Say nothing more until the client leaves."""
        await self.flush()
        await asyncio.Event().wait()
        raise AssertionError

    async def end(self) -> None:
        """Finish the response properly."""
        if self._chunked:
            self._out += b"0\r\n\r\n"
        await self.flush()
        self._done()

    async def drop(self) -> None:
        """Close with a FIN, wherever the response stands."""
        await self.flush()
        self.keeps_open = False
        self._done()

    async def reset(self) -> None:
        """Close with an RST, wherever the response stands."""
        await self.flush()
        sock = cast("socket.socket", self._writer.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.keeps_open = False
        self._done()
        self._writer.transport.abort()

    def _done(self) -> None:
        self.recorded.answered_at = asyncio.get_running_loop().time()


async def play_answer(exchange: Exchange, answer: Answer) -> None:
    """Write `answer` as its options say."""
    await exchange.pause(answer.head_delay)
    if not exchange.recorded.wants_stream:
        await exchange.json(200, exchange.whole(answer))
        return
    exchange.split = answer.split
    exchange.head(chunked=answer.chunked)
    await exchange.pause(answer.first_delay)
    frames = exchange.frames(answer)
    if not answer.delay:
        await exchange.send(b"".join(frame.data for frame in frames))
    for turn, frame in enumerate(frames if answer.delay else ()):
        await exchange.pause(answer.delay if turn else 0)
        await exchange.send(frame.data)
    await exchange.end()
