"""A scripted LLM provider on loopback: real sockets, every wire, any fault."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import trustme

from tests.upstream.answer import Answer
from tests.upstream.connection import Connection
from tests.upstream.exchange import Exchange, play_answer
from tests.upstream.fault import Fault
from tests.upstream.model_lists import model_list
from tests.upstream.recorded import Recorded
from tests.upstream.trouble import Trouble

Reply = Answer | Fault
Script = Reply | Callable[[Recorded], Reply]


class Upstream:
    """`async with Upstream() as upstream`: listens on 127.0.0.1 until the block ends, then closes every socket.

    A script that fails (a bug of the test) is raised at the end of the block.
    """

    def __init__(self, script: Script | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.scripts: list[Script] = [script or Answer()]
        """One per model call, in order; the last one sticks."""
        self.models: Sequence[str] = ("model-a", "model-b")
        self.models_fault: Fault | None = None
        """Played instead of the model lists."""
        self.requests: list[Recorded] = []
        self.connections = 0
        """How many connections were ever accepted."""
        self._tls = tls
        self._port = 0
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._failures: list[BaseException] = []

    @property
    def script(self) -> Script:
        """What the next model call is answered with; setting it forgets the queue."""
        return self.scripts[0]

    @script.setter
    def script(self, script: Script) -> None:
        self.scripts = [script]

    @property
    def base_url(self) -> str:
        """Scheme, host and port, no path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def open_sockets(self) -> int:
        """How many client connections are open now."""
        return len(self._serving)

    @property
    def calls(self) -> list[Recorded]:
        """The model calls among the requests."""
        return [recorded for recorded in self.requests if recorded.wire]

    async def until(
        self,
        predicate: Callable[[], bool],
        timeout: float = 5.0,  # noqa: ASYNC109 - the bound belongs to the wait, callers would all write the same block
    ) -> None:
        """Wait for `predicate`, asked again after every change here; raises `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not predicate():
                await self._changed.wait()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        while self._serving:
            for task in self._serving:
                task.cancel()
            await asyncio.wait(self._serving)
            await asyncio.sleep(0)  # the callbacks of the tasks run
        if self._server:
            await self._server.wait_closed()
        if self._failures and error is None:
            raise self._failures[0]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = Connection(reader, writer, self._answer, self._record)
        task = asyncio.create_task(connection.serve())
        self._serving.add(task)
        task.add_done_callback(self._served)
        self._notify()

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self._failures.append(failure)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _record(self, recorded: Recorded) -> None:
        self.requests.append(recorded)
        recorded.number = len(self.requests)
        self._notify()

    async def _answer(self, exchange: Exchange) -> None:
        recorded = exchange.recorded
        listed = model_list(recorded, self.models)
        if recorded.wire:
            await self._play(exchange, self._next_reply(recorded))
        elif listed is not None and self.models_fault:
            await self.models_fault.play(exchange)
        elif listed is not None:
            await exchange.json(200, listed)
        else:
            await exchange.json(404, exchange.dialect.error(Trouble(404)))
        self._notify()

    def _next_reply(self, recorded: Recorded) -> Reply:
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return script if isinstance(script, Answer | Fault) else script(recorded)

    @staticmethod
    async def _play(exchange: Exchange, reply: Reply) -> None:
        if isinstance(reply, Answer):
            await play_answer(exchange, reply)
        else:
            await reply.play(exchange)


@asynccontextmanager
async def tls_upstream(script: Script | None = None) -> AsyncGenerator[Upstream, None]:
    """Give an upstream on https with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # it also takes pyOpenSSL's context
    async with Upstream(script, tls=context) as upstream:
        yield upstream


def refused_port() -> int:
    """Give a port of 127.0.0.1 on which nobody listens: it was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
