"""A model client for OpenAI's chat wire and nothing else, so that a process is up without importing litellm."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

import orjson

from app.errors import Origin, StreamInterrupted, StreamStalled
from app.providers import classify
from app.providers.exchange import Exchange
from app.providers.model import Delta, Finish, ModelRequest, TextDelta, UsageReport
from app.providers.sse_parser import SseParser
from app.providers.transport import Transport, UpstreamResponse
from app.providers.wires import openai_chat
from app.providers.wires.reading import Reading

_EVENT_LIMIT: Final = 1024 * 1024


class NativeClient:
    """A `ModelClient` and the owner of its connections; use it as an async context manager."""

    def __init__(self) -> None:
        self._transport = Transport()

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        """Open one call; see `ModelClient`."""
        origin = Exchange(request).origin
        sending = self._transport.request(
            "POST",
            f"{request.route.base_url}/chat/completions",
            headers=_headers(request),
            body=_body(request),
            deadlines=request.deadlines,
            origin=origin,
        )
        async with sending as response:
            if response.status != 200:
                refusal = await response.read(classify.BODY_LIMIT)
                raise classify.refusal(response.status, response.headers, refusal, origin=origin, key=request.api_key)
            deltas = _deltas(response, origin, idle_s=request.deadlines.idle_s)
            try:
                yield deltas
            finally:
                await deltas.aclose()


def _headers(request: ModelRequest) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if request.api_key is not None:
        headers["Authorization"] = f"Bearer {request.api_key.reveal()}"
    return headers


def _body(request: ModelRequest) -> bytes:
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    return orjson.dumps({"model": request.route.model, "messages": messages, **options})


async def _deltas(response: UpstreamResponse, origin: Origin, *, idle_s: float) -> AsyncGenerator[Delta]:
    parser, reading = SseParser(limit=_EVENT_LIMIT), Reading()
    chunks = aiter(response.chunks())
    # Read to the end of the body even after the closing marker: only then the connection can be used again.
    while chunk := await _next(chunks, origin, idle_s=idle_s):
        for event in parser.feed(chunk):
            if event.data == "[DONE]":
                continue
            data: dict[str, Any] = orjson.loads(event.data)
            openai_chat.read(data, reading)
            for choice in data["choices"]:
                if text := choice["delta"].get("content"):
                    yield TextDelta(text)
    if reading.finish is None:
        raise StreamInterrupted(origin=origin)
    if reading.usage is not None:
        yield UsageReport(reading.usage)
    yield Finish(reading.finish)


async def _next(chunks: AsyncIterator[bytes], origin: Origin, *, idle_s: float) -> bytes:
    try:
        async with asyncio.timeout(idle_s):
            return await anext(chunks, b"")
    except TimeoutError:
        raise StreamStalled(origin=origin) from None
