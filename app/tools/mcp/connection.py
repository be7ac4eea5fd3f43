"""One session at an MCP server: opened by a task of its own, which also closes it."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, final

import structlog

from app.secret import Secret
from app.tools.mcp.attempt import ATTEMPT, Attempt
from app.tools.mcp.server import McpServer
from app.tools.tool import ToolUnavailable

_SPARE_S: Final = 1.0
_DENIED: Final = frozenset({401, 403})
_log: Final[Any] = structlog.get_logger(__name__)


def unreachable(server: McpServer) -> ToolUnavailable:
    """Give the error for a server that does not answer."""
    return ToolUnavailable(f"{server.label} cannot be reached. Try again later, or ask its operator.")


@final
class Connection:
    """Owns its task between `open` and `close`.

    The client must be entered and left in one task, and whoever calls tools may be cancelled at any moment.
    """

    def __init__(self, server: McpServer, header: tuple[str, Secret] | None) -> None:
        """Take the server and the header by which it knows the caller."""
        self._server = server
        self._header = header
        self._opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._door: Any = None
        self._opening = Attempt(whole=True)

    async def open(self) -> Any:  # noqa: ANN401 - the library's client
        """Connect, and give the client; raises `ToolUnavailable`."""
        self._task = asyncio.create_task(self._own(), name=f"mcp {self._server.name}")
        try:
            async with asyncio.timeout(self._server.connect_s + _SPARE_S):
                return await asyncio.shield(self._opened)
        except TimeoutError:
            await self.close()
            raise unreachable(self._server) from None

    async def close(self) -> None:
        """End the session at the server, within a bounded time."""
        self._closing.set()
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=self._server.close_s)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_SPARE_S)

    @property
    def over(self) -> bool:
        """Whether the client has ended, whoever ended it."""
        return self._task is None or self._task.done()

    @property
    def has_session(self) -> bool:
        """Whether the server has opened a session that it may have forgotten since."""
        return self._door is not None and self._door.session is not None

    def unavailable(self, status: int | None) -> ToolUnavailable:
        """Give the error for a server that refused with `status`, or did not answer."""
        if status in _DENIED:
            text = f"{self._server.label} does not let you in (HTTP {status}). Sign in again, or ask its operator."
            return ToolUnavailable(text, status=status)
        if status is not None:
            return ToolUnavailable(f"{self._server.label} answered with HTTP {status}.", status=status)
        return unreachable(self._server)

    async def _own(self) -> None:
        ATTEMPT.set(self._opening)
        try:
            async with AsyncExitStack() as stack:
                client = await self._connected(stack)
                if not self._opened.done():
                    self._opened.set_result(client)
                await self._closing.wait()
        except Exception as failure:  # noqa: BLE001 - the library wraps whatever happened in groups
            kind, status = type(failure).__qualname__, self._opening.refused
            _log.info("mcp.ended", server=self._server.name, error_type=kind, status=status)
            self._fail()
        finally:
            self._fail()

    def _fail(self) -> None:
        if not self._opened.done():
            self._opened.set_exception(self.unavailable(self._opening.refused))
            self._opened.exception()  # counts as seen

    async def _connected(self, stack: AsyncExitStack) -> Any:  # noqa: ANN401 - see open
        mcp, http, httpx2, door, inner = await asyncio.to_thread(_load)
        server = self._server
        headers: Mapping[str, str] = {} if self._header is None else {self._header[0]: self._header[1].reveal()}
        timeout = httpx2.Timeout(server.connect_s, read=None)
        self._door = door.Door(inner, max_bytes=server.max_bytes)
        sending = httpx2.AsyncClient(transport=self._door, headers=headers, timeout=timeout, trust_env=False)
        await stack.enter_async_context(sending)
        stack.push_async_callback(self._end_session, sending)
        streams = http.streamable_http_client(server.url, http_client=sending)
        client = mcp.Client(streams, mode=server.mode, read_timeout_seconds=server.connect_s, cache=None)
        return await stack.enter_async_context(client)

    async def _end_session(self, http: Any) -> None:  # noqa: ANN401 - the library's
        """End a session that the client has not ended, as it does where an answer could not be read."""
        session = self._door.session
        if session is None:
            return
        try:
            async with asyncio.timeout(self._server.close_s):
                await http.delete(self._server.url, headers={"Mcp-Session-Id": session})
        except Exception as failure:  # noqa: BLE001 - the server forgets it by itself in time
            _log.info("mcp.not_ended", server=self._server.name, error_type=type(failure).__qualname__)


def _load() -> tuple[Any, Any, Any, Any, Any]:
    """Import what a gateway without MCP servers does not need, half a second, and read the trust store."""
    import httpx2  # noqa: PLC0415 - see above
    import mcp  # noqa: PLC0415 - see above
    from mcp.client import streamable_http  # noqa: PLC0415 - see above

    from app.tools.mcp import door  # noqa: PLC0415 - see above

    return mcp, streamable_http, httpx2, door, httpx2.AsyncHTTPTransport(retries=0)
