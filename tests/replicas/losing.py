"""Stands between the gateway and PostgreSQL and, once, lets a commit happen and its answer be lost."""

import asyncio
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.replicas.own_postgres import url_of

_SOCKET: Final = ".s.PGSQL.5432"
_COMMIT: Final = b"COMMIT"
_PART: Final = 65_536


class LosingProxy:
    """`async with LosingProxy(folder, sockets) as proxy`, on a socket in `folder`."""

    def __init__(self, folder: Path, sockets: Path, database: str) -> None:
        self.url = url_of(folder, database)
        self.lost = asyncio.Event()
        """Set when the commit is done and the connection cut."""
        self._listens = folder / _SOCKET
        self._server_socket = sockets / _SOCKET
        self._mark = b""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def lose_commit_of(self, mark: str) -> None:
        """Lose the answer to the next commit of a transaction in which `mark` was sent."""
        self._mark = mark.encode()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._connected, self._listens)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._server_socket)
        except OSError:
            writer.close()
            return
        pipe = _Pipe(self)
        there = asyncio.create_task(pipe.forward(reader, to_server))
        back = asyncio.create_task(pipe.give_back(from_server, writer))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (there, back):
                each.cancel()
            writer.transport.abort()
            to_server.transport.abort()

    def take_mark(self, part: bytes) -> bool:
        """Tell whether this is the transaction to be lost; only the first one is."""
        found = bool(self._mark) and self._mark in part
        if found:
            self._mark = b""
        return found


class _Pipe:
    """One connection."""

    def __init__(self, proxy: LosingProxy) -> None:
        self._proxy = proxy
        self._marked = False
        self._committing = False

    async def forward(self, reader: StreamReader, writer: StreamWriter) -> None:
        while part := await reader.read(_PART):
            self._marked = self._marked or self._proxy.take_mark(part)
            self._committing = self._marked and _COMMIT in part
            writer.write(part)
            await writer.drain()

    async def give_back(self, reader: StreamReader, writer: StreamWriter) -> None:
        while part := await reader.read(_PART):
            if self._committing and _COMMIT in part:
                self._proxy.lost.set()
                return
            writer.write(part)
            await writer.drain()
