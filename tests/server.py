"""A real uvicorn on a free loopback port, in the test's own loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override


class _Server(uvicorn.Server):
    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    @override
    async def main_loop(self) -> None:
        # uvicorn looks ten times a second whether it is to end: a wait at the end of most tests.
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(app: ASGIApp, *, graceful_s: int = 5, **config: Any) -> AsyncGenerator[str]:
    """Serve `app` inside the block, its lifespan included, and give the base URL; ends only when all is closed."""
    # The protocol is named because asyncio switches Nagle's delay off only where it is: 40 ms in each answer else.
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        server = _Server(
            uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=graceful_s, **config)
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="server under test")
        try:
            async with asyncio.timeout(10):
                while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(0.005)
            if serving.done():
                serving.result()
                message = "the application did not start"
                raise RuntimeError(message)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            async with asyncio.timeout(20):
                await serving
