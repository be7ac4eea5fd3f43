"""A model list on loopback, scripted page by page."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.config_file import ProviderTable
from app.providers.models_list import list_models
from app.providers.registry import build_registry
from app.providers.transport import Transport
from app.secret import Secret

KEY = Secret("sk-planted-0123456789")


@dataclass
class Pages:
    """A list on loopback, page by page: the next of `answers` for each request; the last one sticks."""

    base: str = ""
    answers: list[bytes] = field(default_factory=list[bytes])
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list[tuple[str, Mapping[str, str]]])
    hang: bool = False
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers wait for it; it is set to begin with."""
    serving: set["asyncio.Task[Any]"] = field(default_factory=set["asyncio.Task[Any]"])

    def says(self, data: Any, *, status: str = "200 OK", declared: int | None = None) -> "Pages":
        body = data if isinstance(data, bytes) else orjson.dumps(data)
        size = len(body) if declared is None else declared
        self.answers.append(f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body)
        return self

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self.serving.add(task)
            task.add_done_callback(self.serving.discard)
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                line, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in lines)}
                self.requests.append((line, headers))
                if self.hang:
                    await reader.read()
                await self.hold.wait()
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(answer)
                await writer.drain()
                if b"Content-Length: 999999\r\n" in answer:
                    return
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def ids(
        self, provider: str, key: Secret | None = KEY, *, seconds: float = 10, **table: Any
    ) -> tuple[str, ...]:
        """List the models of `provider`, with its base URL pointed here."""
        row = build_registry({provider: ProviderTable(api_base=self.base, **table)}).get(provider)
        async with Transport() as transport:
            return await list_models(transport, row, key, seconds=seconds)


@asynccontextmanager
async def serving_pages() -> AsyncGenerator[Pages]:
    pages = Pages()
    pages.hold.set()
    server = await asyncio.start_server(pages.serve, "127.0.0.1", 0)
    async with server:
        pages.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield pages
        if pages.serving:
            await asyncio.wait(pages.serving, timeout=5)  # their clients have gone
