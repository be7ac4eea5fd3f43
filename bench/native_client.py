"""A model client that reads the scripted upstream as cheaply as Python can: the gateway's own share stays visible."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self, final

import aiohttp
import orjson

from app.errors import InvalidProviderResponse, Origin, ProviderUnreachable, StreamInterrupted
from app.events import FinishReason, Usage
from app.providers.model import Delta, Finish, ModelRequest, TextDelta, UsageReport

_OK: Final = 200
_DATA: Final = b"data: "
_DONE: Final = b"[DONE]"


@final
class NativeClient:
    """`ModelClient` over aiohttp and orjson, without deadlines and retries of its own; opened inside the loop."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the pool; it has no bound, as the gateway has one."""
        # No time limits: each would be a timer for every read.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(), auto_decompress=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        """Open one call."""
        if self._session is None:
            message = "the client is used before it is opened"
            raise RuntimeError(message)
        origin = Origin(provider=request.route.provider.id, label=request.route.provider.label)
        url, headers = f"{request.route.base_url}/chat/completions", {"content-type": "application/json"}
        try:
            async with self._session.post(url, data=_body(request), headers=headers) as response:
                if response.status != _OK:
                    raise InvalidProviderResponse(origin=origin)
                async with aclosing(_deltas(response.content, origin)) as deltas:
                    yield deltas
        except aiohttp.ClientConnectorError:
            raise ProviderUnreachable(origin=origin) from None
        except aiohttp.ClientError:
            raise StreamInterrupted(origin=origin) from None


def _body(request: ModelRequest) -> bytes:
    return orjson.dumps(
        {
            "model": request.route.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )


async def _deltas(content: aiohttp.StreamReader, origin: Origin) -> AsyncGenerator[Delta]:
    """Give what each read brought, without a wait in between; the finish is given when the wire is done."""
    rest, finish = b"", None
    while data := await content.readany():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if not line.startswith(_DATA):
                continue
            if line[len(_DATA) :] == _DONE:
                if finish is not None:
                    yield finish
                    return
                raise StreamInterrupted(origin=origin)
            for delta in _read(orjson.loads(line[len(_DATA) :])):
                if isinstance(delta, Finish):
                    finish = delta
                else:
                    yield delta
    raise StreamInterrupted(origin=origin)


def _read(chunk: dict[str, Any]) -> Iterator[Delta]:
    for choice in chunk["choices"]:
        if text := choice["delta"].get("content"):
            yield TextDelta(text)
        if reason := choice["finish_reason"]:
            yield Finish(FinishReason(reason))
    if usage := chunk.get("usage"):
        yield UsageReport(Usage(input=usage["prompt_tokens"], output=usage["completion_tokens"]))
