"""The MCP servers that the settings name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from app.errors import ConfigError
from app.mcp_table import McpTable
from app.secret import Secret
from app.tools.mcp.server import McpServer, SignIn, nobody
from app.tools.mcp.source import McpSource
from app.tools.tool import ToolCaller, ToolUnavailable
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient

VOYAGE: Final = "voyage"
_TOKEN_PATH: Final = "/auth/mcp-token/"  # noqa: S105 - a path
_MCP_PATH: Final = "/api/mcp"
"""Without a slash at its end: with one there is no such page."""


def mcp_sources(
    tables: Mapping[str, McpTable],
    *,
    voyage: VoyageClient | None,
    voyage_url: str | None,
    environ: Mapping[str, str] | None = None,
) -> tuple[McpSource, ...]:
    """Give the MCP servers that are on; raises `ConfigError`."""
    environ = os.environ if environ is None else environ
    return tuple(
        McpSource(_server(name, table, voyage, voyage_url, environ)) for name, table in tables.items() if table.enabled
    )


def _server(
    name: str, table: McpTable, voyage: VoyageClient | None, voyage_url: str | None, environ: Mapping[str, str]
) -> McpServer:
    url, auth, label = table.url, table.auth, table.label or name
    if name == VOYAGE and url is None and voyage_url is not None:
        url, auth, label = voyage_url.rstrip("/") + _MCP_PATH, "voyage_token", table.label or "Voyage"
    if url is None:
        raise _wrong(name, "url is missing", "Add the exact address of the server.")
    return McpServer(
        name=name,
        url=url,
        label=label,
        sign_in=_sign_in(name, table, auth, voyage, environ),
        prefix=table.prefix,
        read_only=frozenset(table.read_only),
        mode=table.mode,
        connect_s=table.connect_s,
        list_s=table.list_s,
        keep_list_s=table.keep_list_s,
    )


def _sign_in(name: str, table: McpTable, auth: str, voyage: VoyageClient | None, environ: Mapping[str, str]) -> SignIn:
    if auth == "voyage_token":
        if voyage is None:
            raise _wrong(name, 'auth = "voyage_token" needs Voyage', "Set GATEWAY_VOYAGE_URL.")
        return _VoyageToken(voyage)
    if auth == "header":
        value = environ.get(table.value_env or "", "")
        if not value.strip():
            raise _wrong(name, f"the variable {table.value_env} is not set", "Set it to the value of the header.")
        return _Same(table.header, Secret(value.strip()))
    return nobody


def _wrong(name: str, what: str, remedy: str) -> ConfigError:
    return ConfigError(f"GATEWAY_CONFIG_FILE: [mcp.{name}]: {what}. {remedy}")


@dataclass(frozen=True, slots=True)
class _Same:
    """One header for all callers."""

    header: str
    value: Secret

    async def __call__(self, caller: ToolCaller) -> tuple[str, Secret]:
        del caller
        return self.header, self.value


@dataclass(frozen=True, slots=True)
class _VoyageToken:
    """The caller's own token, which Voyage gives to their session."""

    voyage: VoyageClient

    async def __call__(self, caller: ToolCaller) -> tuple[str, Secret]:
        if caller.session is None:
            text = "This needs a session of Voyage. Sign in to Voyage."
            raise ToolUnavailable(text, status=401)
        try:
            answer = await self.voyage.get(_TOKEN_PATH, caller.session)
        except VoyageAway as away:
            text = f"Voyage gave no token ({away.reason}). Try again later."
            raise ToolUnavailable(text) from None
        data = cast("dict[str, Any]", answer.data) if isinstance(answer.data, dict) else {}
        token: object = data.get("token")
        if answer.status // 100 != 2 or not isinstance(token, str) or not token:  # noqa: PLR2004 - the class of statuses
            text = "Voyage gave no token for this session. Sign in to Voyage again."
            raise ToolUnavailable(text, status=answer.status)
        return "Authorization", Secret(f"Token {token}")
