"""One response with events in it, byte for byte."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

DONE: Final = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Body:
    """Filled in the background while the block lasts; `ended` is set by the proper end of the response."""

    response: httpx.Response
    content: bytes = b""
    ended: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def run_id(self) -> str:
        return str(self.response.headers["x-run-id"])

    @property
    def frames(self) -> list[bytes]:
        return frames(self.content)

    async def until(self, predicate: Callable[[], bool], *, seconds: float = 20) -> None:
        """Wait for `predicate`, asked again whenever something has come."""
        async with asyncio.timeout(seconds):
            while not predicate():
                await self._changed.wait()

    async def whole(self, *, seconds: float = 60) -> bytes:
        """Wait for the end and give all of it."""
        await self.until(lambda: self.ended, seconds=seconds)
        return self.content

    async def fill(self) -> None:
        try:
            async for chunk in self.response.aiter_raw():
                self.content += chunk
                self._notify()
            self.ended = True
        finally:
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@asynccontextmanager
async def reading(http: httpx.AsyncClient, path: str, method: str = "GET", **parts: Any) -> AsyncGenerator[Body]:
    """Send a request, give its response once the headers are there, and leave it at the end of the block."""
    async with http.stream(method, path, **parts) as response:
        if response.status_code != 200:
            await response.aread()
        assert response.status_code == 200, (response.status_code, response.text)
        body = Body(response)
        filling = asyncio.create_task(body.fill())
        try:
            yield body
        finally:
            filling.cancel()
            await asyncio.wait({filling})
            if not filling.cancelled():
                filling.exception()


@asynccontextmanager
async def sending(http: httpx.AsyncClient, conversation: str, text: str = "Go", **fields: Any) -> AsyncGenerator[Body]:
    """Send a message and read its answer in the background."""
    path = f"/api/chat/conversations/{conversation}/send_message/"
    async with reading(http, path, "POST", json={"message": text, **fields}) as body:
        yield body


def frames(content: bytes) -> list[bytes]:
    """Take a body apart, without a single byte missing."""
    assert content.endswith(b"\n\n"), content[-100:]
    found = [frame + b"\n\n" for frame in content.removesuffix(b"\n\n").split(b"\n\n")]
    return [frame for frame in found if frame != b": ping\n\n"]


def resume(run_id: str, after: int, *, header: bool) -> dict[str, Any]:
    """Give the parts of a request that goes on behind event `after`; event 0 may also be left unsaid."""
    path = f"/api/chat/runs/{run_id}/stream/"
    if header:
        return {"path": path, "headers": {"Last-Event-ID": f"{run_id}:{after}"}}
    return {"path": path, "params": {"after": str(after)}}
