"""The HTTP transport below the MCP client: counts bytes, keeps the status, and opens no stream that nobody needs."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
from typing_extensions import override

SESSION: Final = "mcp-session-id"
_NO_STREAM: Final = 405
"""What the protocol has a server answer that sends nothing by itself (MCP 2025-06-18, transports)."""


class _Bounded(httpx2.AsyncByteStream):
    """A body that may not be longer than `limit` bytes."""

    def __init__(self, body: Any, limit: int) -> None:  # noqa: ANN401 - the library's two kinds of stream
        self._body = body
        self._limit = limit

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._body:
            received += len(chunk)
            if received > self._limit:
                message = "the answer is too large"
                raise httpx2.ReadError(message)
            yield chunk

    @override
    async def aclose(self) -> None:
        await self._body.aclose()


class Door(httpx2.AsyncBaseTransport):
    """Sends what the client sends, except its GET: a sync server would give a whole worker to that stream."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, max_bytes: int) -> None:
        """Take the transport that sends, which is closed with this one."""
        self._inner = inner
        self._max_bytes = max_bytes
        self.refused: int | None = None
        """The last status that was no success: the client itself does not tell."""
        self.session: str | None = None
        """The one that the server has opened and nobody has ended."""

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(_NO_STREAM, request=request)
        response = await self._inner.handle_async_request(request)
        self.refused = response.status_code if response.is_error else None
        if request.method == "DELETE":
            self.session = None
        else:
            self.session = response.headers.get(SESSION, self.session)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Bounded(response.stream, self._max_bytes),
            extensions=response.extensions,
        )

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
