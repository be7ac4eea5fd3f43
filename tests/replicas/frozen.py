"""Readers that take nothing, and readers that leave after a little: on sockets of their own, with small buffers."""

import asyncio
import socket
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

AT_ONCE: Final = 10
"""How many come in the same moment."""
_CONNECT_S: Final = 30.0


class RawReaders:
    """`async with RawReaders(base_url, token)`; every socket is closed by its end."""

    def __init__(self, base_url: str, token: str) -> None:
        self._address = (urlsplit(base_url).hostname, urlsplit(base_url).port)
        self._token = token
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._sockets:
            each.close()

    async def open(self, run_id: str, count: int, *, first: int) -> None:
        """Ask for a run on `count` connections and take the first bytes of each answer; then nothing more."""
        for _ in range(0, count, AT_ONCE):
            await asyncio.gather(*(self._ask(run_id, first) for _ in range(AT_ONCE)))

    async def leave(self, run_id: str, count: int, *, after: int) -> None:
        """The same, and close each connection when it has given so many bytes."""

        async def one() -> None:
            reader = await self._ask(run_id, after)
            self._sockets.remove(reader)
            reader.close()

        for _ in range(0, count, AT_ONCE):
            await asyncio.gather(*(one() for _ in range(AT_ONCE)))

    async def _ask(self, run_id: str, first: int) -> socket.socket:
        loop, reader = asyncio.get_running_loop(), socket.socket()
        self._sockets.append(reader)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(0)
        asked = (
            f"GET /api/chat/runs/{run_id}/stream/?after=0 HTTP/1.1\r\nhost: localhost\r\n"
            f"authorization: Bearer {self._token}\r\n\r\n"
        )
        async with asyncio.timeout(_CONNECT_S):
            await loop.sock_connect(reader, self._address)
            await loop.sock_sendall(reader, asked.encode())
            got = b""
            while len(got) < first:
                part = await loop.sock_recv(reader, first - len(got))
                assert part, got
                got += part
        assert got.startswith(b"HTTP/1.1 200 "), got
        return reader
