"""An MCP server as a source of tools."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import final

from app.tools.mcp.lists import Lists
from app.tools.mcp.rest import Rest
from app.tools.mcp.server import McpServer
from app.tools.mcp.session import McpSession
from app.tools.tool import ToolCaller, ToolSession


@final
class McpSource:
    """See `ToolSource`."""

    def __init__(self, server: McpServer) -> None:
        """Take the server; nothing is sent before a run asks for its tools."""
        self._server = server
        self._lists = Lists(server.keep_list_s)
        self._rest = Rest()

    @property
    def name(self) -> str:
        """What the operator calls it, as in the table: `mcp.<id>`."""
        return f"mcp.{self._server.name}"

    def open(self, caller: ToolCaller) -> AbstractAsyncContextManager[ToolSession]:
        """Give the session of one run."""
        return self._open(caller)

    @asynccontextmanager
    async def _open(self, caller: ToolCaller) -> AsyncGenerator[ToolSession]:
        session = McpSession(self._server, caller, self._lists, self._rest)
        try:
            yield session
        finally:
            await session.close()
