"""Something on loopback that answers requests in any way, with or without TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.upstream.answer import Answer
from tests.upstream.connection import Connection
from tests.upstream.exchange import Exchange, play_answer
from tests.upstream.fault_plays import zen
from tests.upstream.recorded import Recorded

Play = Callable[[Exchange], Awaitable[None]]
KEY = "sk-planted-0123456789abcdefghijklmnop"
PAGE = b"<!doctype html><html><body>Sign in to the proxy</body></html>"
MODELS = ("gpt-5-nano", "gpt-6-luna", "claude-haiku-4-5", "deepseek-v4-flash")


@dataclass(slots=True)
class Site:
    """`host` may be another name of the same address."""

    port: int
    scheme: str
    requests: list[Recorded] = field(default_factory=list[Recorded])

    def url(self, path: str = "/v1", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def posted(self) -> list[Recorded]:
        """The calls that would cost tokens."""
        return [recorded for recorded in self.requests if recorded.method == "POST" and recorded.raw != b"{}"]


@asynccontextmanager
async def open_server(first_bytes: bytes | None) -> AsyncGenerator[int]:
    """Give the port of a server that speaks no HTTP: it says this once it hears something; None: nothing at all."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(1)
            if first_bytes is None:
                await reader.read()  # until the client has left
            writer.write(first_bytes or b"")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(serve(reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            await asyncio.gather(*connections)


@asynccontextmanager
async def open_site(play: Play, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Site]:
    """Answer every request with `play` inside the block."""
    site = Site(0, "https" if tls else "http")
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(Connection(reader, writer, play, site.requests.append).serve())
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


def api(
    models: Sequence[str] = MODELS,
    *,
    root: str = "/v1",
    key: str | None = KEY,
    headers: dict[str, str] | None = None,
    answer: Answer | None = None,
) -> Play:
    """An API like OpenAI's below `root`; `key` None checks none, an HTML page stands at every other path."""

    async def play(exchange: Exchange) -> None:
        asked = exchange.recorded
        if not asked.route.startswith(f"{root}/") or "/" in asked.route.removeprefix(f"{root}/").replace(
            "chat/completions", ""
        ):
            await exchange.whole_body(404, "text/html", PAGE)
        elif key is not None and asked.api_key != key:
            await refuse(exchange, 401, "Incorrect API key provided.", "invalid_api_key")
        elif asked.method == "GET":
            rows = [{"id": name, "object": "model"} for name in models]
            await exchange.json(200, {"object": "list", "data": rows}, headers or {})
        elif asked.model not in models:
            await refuse(exchange, 404, f"The model `{asked.model}` does not exist.", "model_not_found")
        else:
            await play_answer(exchange, answer or Answer(texts=tuple(f"{n} " for n in range(1, 21))))

    return play


async def refuse(exchange: Exchange, status: int, message: str, code: str) -> None:
    await exchange.json(status, {"error": {"message": message, "type": "invalid_request_error", "code": code}})


def fixed(
    status: int, body: bytes = PAGE, content_type: str = "text/html", headers: dict[str, str] | None = None
) -> Play:
    """The same answer to everything."""

    async def play(exchange: Exchange) -> None:
        await exchange.whole_body(status, content_type, body, headers or {})

    return play


async def hang(exchange: Exchange) -> None:
    await exchange.hang()


def zen_like(
    *,
    root: str = "/zen/v1",
    key: str = KEY,
    models: Sequence[str] = MODELS,
    refusal: tuple[int, str, str] | None = None,
    answer: Answer | None = None,
) -> Play:
    """OpenCode Zen as it is documented: a list that checks no key, and one path for each family of models.

    `refusal` (status, type, message) answers every call with the right key.
    """

    async def play(exchange: Exchange) -> None:
        asked = exchange.recorded
        if asked.method == "GET" and asked.route == f"{root}/models":
            await exchange.json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in models]})
            return
        family = "responses" if asked.model.startswith("gpt-") else "chat/completions"
        if not asked.route.startswith(f"{root}/"):
            await exchange.whole_body(404, "text/html", PAGE)
        elif asked.model not in models:
            await zen(401, "ModelError", f"Model {asked.model} is not supported")(exchange)
        elif asked.api_key != key:
            await zen(401, "AuthError", "Invalid API key.")(exchange)
        elif refusal is not None:
            await zen(*refusal)(exchange)
        elif asked.route != f"{root}/{family}":
            await zen(401, "ModelError", f"Model {asked.model} is not supported for format oa-compat")(exchange)
        else:
            await play_answer(exchange, answer or Answer(texts=tuple(f"{n} " for n in range(1, 21))))

    return play
