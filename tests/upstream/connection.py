"""One client connection: reads requests, and notices at any moment that the client has gone."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import orjson

from tests.upstream.exchange import Exchange
from tests.upstream.recorded import Recorded

_INBOX_LIMIT: Final = 64 * 1024 * 1024
_CLOSE_S: Final = 2.0


class Connection:
    """Owns one accepted socket; `serve` returns when it is closed."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Callable[[Exchange], Awaitable[None]],
        record: Callable[[Recorded], None],
    ) -> None:
        """`answer` writes one response; `record` takes a new request and numbers it."""
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._record = record
        self._inbox = asyncio.StreamReader(limit=_INBOX_LIMIT)
        self._seen: list[Recorded] = []

    async def serve(self) -> None:
        """Answer until either side closes; what goes wrong in a script is raised."""
        answering = asyncio.create_task(self._answer_all())
        try:
            await self._pump()
            self._note_closed()
        finally:
            answering.cancel()
            await asyncio.wait([answering])
            await self._close()
        if not answering.cancelled() and (failure := answering.exception()):
            raise failure

    async def _pump(self) -> None:
        """Move bytes to the inbox until the socket closes, so that an end is seen whatever the script waits for."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await self._reader.read(65536):
                self._inbox.feed_data(data)
        self._inbox.feed_eof()

    def _note_closed(self) -> None:
        now = asyncio.get_running_loop().time()
        for recorded in self._seen:
            recorded.closed_at = now
            recorded.client_left = recorded.answered_at is None

    async def _answer_all(self) -> None:
        try:
            keeps_open = True
            while keeps_open:
                recorded = await self._read_request()
                self._seen.append(recorded)
                self._record(recorded)
                exchange = Exchange(recorded, self._writer)
                await self._answer(exchange)
                keeps_open = exchange.keeps_open
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client has left; `_pump` notes when
        finally:
            self._writer.close()

    async def _read_request(self) -> Recorded:
        head = (await self._inbox.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        raw = await self._read_body(headers)
        return Recorded(
            number=0,
            method=method,
            path=path,
            headers=headers,
            raw=raw,
            body=_parsed(raw),
            received_at=asyncio.get_running_loop().time(),
        )

    async def _read_body(self, headers: dict[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return await self._inbox.readexactly(int(headers.get("content-length", "0")))
        body = bytearray()
        while size := int((await self._inbox.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await self._inbox.readexactly(size + 2))[:-2]
        await self._inbox.readuntil(b"\r\n")
        return bytes(body)

    async def _close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self._writer.transport.abort()


def _parsed(raw: bytes) -> object:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
