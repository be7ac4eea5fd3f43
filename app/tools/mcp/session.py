"""The tools of one MCP server, as one caller, in one run."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

from app.tools.mcp.connection import Connection
from app.tools.mcp.lists import Lists
from app.tools.mcp.result import result_of
from app.tools.mcp.server import McpServer
from app.tools.tool import OutcomeUnknown, Tool, ToolCaller, ToolResult, ToolUnavailable

MAX_PAGES: Final = 20
MAX_TOOLS: Final = 200
_GONE: Final = frozenset({404, 400})
"""What a server says of a session that it does not know any more; then nothing was done."""


@final
class McpSession:
    """See `ToolSession`; connects with the first thing that is asked of the server."""

    def __init__(self, server: McpServer, caller: ToolCaller, lists: Lists) -> None:
        """Take the server, on whose behalf, and the lists that are known."""
        self._server = server
        self._caller = caller
        self._lists = lists
        self._connecting = asyncio.Lock()
        self._connection: Connection | None = None
        self._client: Any = None

    async def list(self) -> Sequence[Tool]:
        """Give the tools; raises `ToolUnavailable`."""
        known = self._lists.find(self._caller.user_id)
        if known is None:
            async with asyncio.timeout(self._server.list_s):
                known = await self._listed()
            self._lists.keep(self._caller.user_id, known)
        return known

    async def call(self, name: str, arguments: Mapping[str, Any], *, seconds: float) -> ToolResult:
        """Call one; raises `ToolUnavailable` and `OutcomeUnknown`."""
        bare = name.removeprefix(self._server.prefix)
        try:
            return await self._asked(bare, arguments, seconds)
        except ToolUnavailable as away:
            if away.status not in _GONE:
                raise
        # The server has forgotten the session, and so has done nothing.
        await self._disconnect()
        return await self._asked(bare, arguments, seconds)

    async def close(self) -> None:
        """End the session at the server."""
        await self._disconnect()

    async def _asked(self, name: str, arguments: Mapping[str, Any], seconds: float) -> ToolResult:
        client = await self._connected()
        try:
            answer = await client.call_tool(name, dict(arguments), read_timeout_seconds=seconds)
        except Exception as failure:
            raise self._failure() from failure
        return result_of(answer)

    def _failure(self) -> Exception:
        """Say what became of a call: refused by a status, or sent without an answer that can be read."""
        connection = self._connection
        if connection is not None and connection.status is not None:
            return connection.unavailable()
        return OutcomeUnknown()

    async def _listed(self) -> Sequence[Tool]:
        client = await self._connected()
        tools: list[Tool] = []
        cursor: str | None = None
        try:
            for _ in range(MAX_PAGES):
                page = await client.list_tools(cursor=cursor)
                tools += [self._tool(one) for one in page.tools]
                cursor = page.next_cursor
                if not cursor or len(tools) >= MAX_TOOLS:
                    break
        except Exception as failure:
            await self._disconnect()
            refused = self._failure()
            raise (
                refused
                if isinstance(refused, ToolUnavailable)
                else ToolUnavailable(f"{self._server.label} gave no list of its tools.")
            ) from failure
        return tools[:MAX_TOOLS]

    def _tool(self, one: Any) -> Tool:  # noqa: ANN401 - the library's
        hinted = one.annotations is not None and one.annotations.read_only_hint is True
        return Tool(
            name=f"{self._server.prefix}{one.name}",
            description=one.description or one.name,
            parameters=one.input_schema,
            writes=not hinted and one.name not in self._server.read_only,
        )

    async def _connected(self) -> Any:  # noqa: ANN401 - the library's client
        async with self._connecting:
            if self._client is None or self._connection is None or self._connection.over:
                self._connection = Connection(self._server, await self._server.sign_in(self._caller))
                self._client = await self._connection.open()
            return self._client

    async def _disconnect(self) -> None:
        async with self._connecting:
            connection, self._client = self._connection, None
            if connection is not None:
                await connection.close()
