"""The HTTP transport below the MCP client: counts bytes, keeps the status, and opens no stream that nobody needs."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
from typing_extensions import override

from app.tools.mcp.attempt import ATTEMPT

SESSION: Final = "mcp-session-id"
_NO_STREAM: Final = 405
"""What the protocol has a server answer that sends nothing by itself (MCP 2025-06-18, transports)."""


_PLAIN: Final = frozenset({"", "identity"})


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
        self.session: str | None = None
        """The one that the server has opened and nobody has ended."""

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(_NO_STREAM, request=request)
        attempt = ATTEMPT.get()
        if attempt is not None and attempt.sent and not attempt.whole:
            attempt = None
        if attempt is not None:
            attempt.sent, attempt.status = True, None
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if attempt is not None:
            attempt.status = response.status_code
        if request.method == "DELETE":
            self.session = None
        else:
            self.session = response.headers.get(SESSION, self.session)
        if response.headers.get("content-encoding", "identity").lower() not in _PLAIN:
            # Nobody has asked for it, and what it grows to is known too late.
            await response.aclose()
            message = "the answer is compressed"
            raise httpx2.ReadError(message)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Bounded(response.stream, self._max_bytes),
            extensions=response.extensions,
        )

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
