"""The tools of one MCP server, as one caller, in one run."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import structlog

from app.tools.mcp.attempt import ATTEMPT, Attempt
from app.tools.mcp.connection import Connection, unreachable
from app.tools.mcp.fitness import MAX_DESCRIPTION_CHARS, fit
from app.tools.mcp.lists import Lists
from app.tools.mcp.rest import Rest
from app.tools.mcp.result import result_of
from app.tools.mcp.server import McpServer
from app.tools.tool import OutcomeUnknown, Tool, ToolCaller, ToolResult, ToolUnavailable

MAX_PAGES: Final = 20
MAX_TOOLS: Final = 200
MAX_SAID_CHARS: Final = 1_000
_GONE: Final = 404
"""What a server says of a session that it does not know any more (MCP 2025-06-18, transports); nothing was done."""
_REFUSALS: Final = range(300, 500)
_REQUEST_TIMEOUT: Final = 408
_LATE: Final = -32001
"""With this code the client itself says that no answer came in time."""
_OF_THE_CLIENT: Final = frozenset({-32700, -32600, _LATE, -32000})
"""With these it says that, or that it could not read an answer."""
_NOT_TAKEN: Final = frozenset({-32601, -32602})
"""No such method or tool; arguments that do not fit."""
_log: Final[Any] = structlog.get_logger(__name__)


@final
class McpSession:
    """See `ToolSession`; connects with the first thing that is asked of the server."""

    def __init__(self, server: McpServer, caller: ToolCaller, lists: Lists, rest: Rest) -> None:
        """Take the server, on whose behalf, the lists that are known, and whether the server is to be left alone."""
        self._server = server
        self._caller = caller
        self._lists = lists
        self._rest = rest
        self._connecting = asyncio.Lock()
        self._connection: Connection | None = None
        self._client: Any = None
        self._left: Sequence[Connection] = ()
        """Connections that a server has forgotten, or that have broken."""

    async def list(self) -> Sequence[Tool]:
        """Give the tools; raises `ToolUnavailable`."""
        known = self._lists.find(self._caller.user_id)
        if known is None:
            try:
                async with asyncio.timeout(self._server.list_s):
                    known = await self._listed()
            except TimeoutError:
                self._leave()
                self._rest.begin()
                late = f"{self._server.label} gave no list of its tools within {self._server.list_s:g} seconds."
                raise ToolUnavailable(late) from None
            self._lists.keep(self._caller.user_id, known)
        return known

    async def call(self, name: str, arguments: Mapping[str, Any], *, seconds: float) -> ToolResult:
        """Call one; raises `ToolUnavailable` and `OutcomeUnknown`."""
        bare = name.removeprefix(self._server.prefix)
        client, connection = await self._connected()
        try:
            return await _asked(client, connection, bare, arguments, seconds)
        except ToolUnavailable as away:
            if away.status != _GONE or not connection.has_session:
                raise
        # The server has forgotten the session, and so has done nothing. Others may still wait for answers on it.
        if connection is self._connection:
            self._leave()
        client, connection = await self._connected()
        return await _asked(client, connection, bare, arguments, seconds)

    async def close(self) -> None:
        """End the sessions at the server."""
        async with self._connecting:
            self._leave()
            left, self._left = self._left, ()
        await asyncio.gather(*(connection.close() for connection in left))

    async def _listed(self) -> Sequence[Tool]:
        client, connection = await self._connected()
        attempt = Attempt(whole=True)
        before = ATTEMPT.set(attempt)
        try:
            tools = await self._pages(client)
        except Exception as failure:
            self._leave()
            if getattr(failure, "code", None) == _LATE:
                self._rest.begin()
            silent = ToolUnavailable(f"{self._server.label} gave no list of its tools.")
            raise (silent if attempt.refused is None else connection.unavailable(attempt.refused)) from failure
        finally:
            ATTEMPT.reset(before)
        fitting = fit(tools[:MAX_TOOLS])
        if len(fitting) < len(tools):
            _log.warning("mcp.tools_left_out", server=self._server.name, count=len(tools) - len(fitting))
        return fitting

    async def _pages(self, client: Any) -> Sequence[Tool]:  # noqa: ANN401 - the library's
        tools: Sequence[Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            tools = [*tools, *(self._tool(one) for one in page.tools)]
            cursor = page.next_cursor
            if not cursor or len(tools) >= MAX_TOOLS:
                break
        return tools

    def _tool(self, one: Any) -> Tool:  # noqa: ANN401 - the library's
        hinted = one.annotations is not None and one.annotations.read_only_hint is True
        return Tool(
            name=f"{self._server.prefix}{one.name}",
            description=(one.description or one.name)[:MAX_DESCRIPTION_CHARS],
            parameters=one.input_schema,
            writes=not hinted and one.name not in self._server.read_only,
        )

    async def _connected(self) -> tuple[Any, Connection]:
        async with self._connecting:
            if self._client is None or self._connection is None or self._connection.over:
                self._leave()
                if not self._rest.over:
                    raise unreachable(self._server)
                connection = Connection(self._server, await self._server.sign_in(self._caller))
                self._connection = connection
                try:
                    self._client = await connection.open()
                except ToolUnavailable as away:
                    if away.status is None:
                        self._rest.begin()
                    raise
            return self._client, self._connection

    def _leave(self) -> None:
        """Ask nothing more on this connection; it is closed with the run."""
        if self._connection is not None:
            self._left = (*self._left, self._connection)
        self._connection, self._client = None, None


async def _asked(
    client: Any,  # noqa: ANN401 - the library's
    connection: Connection,
    name: str,
    arguments: Mapping[str, Any],
    seconds: float,
) -> ToolResult:
    attempt = Attempt()
    before = ATTEMPT.set(attempt)
    try:
        answer = await client.call_tool(name, dict(arguments), read_timeout_seconds=seconds)
    except Exception as failure:
        said = _said(failure, attempt.refused)
        if said is not None:
            return ToolResult(value={"error": said}, failed=True)
        raise _failure(connection, attempt.refused) from failure
    finally:
        ATTEMPT.reset(before)
    return result_of(answer)


def _failure(connection: Connection, refused: int | None) -> Exception:
    """Say what became of a call: refused before anything was done, or nobody knows."""
    if refused in _REFUSALS and refused != _REQUEST_TIMEOUT:
        return connection.unavailable(refused)
    return OutcomeUnknown()


def _said(failure: Exception, refused: int | None) -> str | None:
    """Give what the server itself says of a call that failed, where it has said anything."""
    code: object = getattr(failure, "code", None)
    if not isinstance(code, int) or (code not in _NOT_TAKEN if refused is not None else code in _OF_THE_CLIENT):
        return None
    return str(failure)[:MAX_SAID_CHARS] or "The tool failed."
