"""Runs the demo upstream on a free loopback port, in the running loop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.demo.upstream import Pace, create_demo

_START_SECONDS: Final = 10


class _Http(HttpToolsProtocol):
    """Logs nothing: a dropped connection is an error of any other app, and the purpose of this one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own arguments, passed on
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger(__name__)
        self.logger.disabled = True


class _Server(uvicorn.Server):
    """Leaves the signals to the gateway, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def drop_connections(self) -> None:
        """Close every connection at once, those of stalled answers too."""
        for connection in list(self.server_state.connections):
            if transport := connection.transport:
                transport.close()


@asynccontextmanager
async def serving_demo(pace: Pace | None = None) -> AsyncGenerator[str]:
    """Run the demo upstream inside the block; give its base URL, `http://127.0.0.1:PORT/v1`."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_demo(pace),
        http=_Http,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]), name="demo upstream")
    try:
        async with asyncio.timeout(_START_SECONDS):
            await server.listening.wait()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = server.force_exit = True
        server.drop_connections()
        await running
