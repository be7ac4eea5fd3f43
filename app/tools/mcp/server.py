"""One MCP server as the operator has configured it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.secret import Secret
from app.tools.tool import ToolCaller

SignIn = Callable[[ToolCaller], Awaitable[tuple[str, Secret] | None]]
"""Gives the header and its value by which a server knows the caller; raises `ToolUnavailable` where there is none."""


async def nobody(_: ToolCaller) -> None:
    """Sign in nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """Where it is, and how it is to be treated; times in seconds."""

    name: str
    url: str
    """Exact: no redirect to another origin is followed."""
    label: str
    sign_in: SignIn = field(default=nobody, repr=False)
    prefix: str = ""
    """Before the names of its tools, so that two servers may have the same."""
    read_only: frozenset[str] = frozenset()
    """Tools that change nothing, besides those that the server says it of."""
    mode: str = "legacy"
    """`legacy` asks no question that servers of the first versions answer with an error; or `auto`."""
    connect_s: float = 5.0
    list_s: float = 10.0
    close_s: float = 2.0
    max_bytes: int = 4_000_000
    """Of one answer."""
    keep_list_s: float = 60.0
    """How long a user's list is used again."""
