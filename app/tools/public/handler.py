"""What carries out a call of a tool."""

from collections.abc import Mapping
from typing import Any, Protocol

from app.tools.tool import Tool, ToolCaller, ToolResult


class Handler(Protocol):
    """Carries out the calls of one tool; they may be made at the same time."""

    async def __call__(self, arguments: Mapping[str, Any], caller: ToolCaller, seconds: float) -> ToolResult:
        """Give what comes of a call within `seconds`; raises `ToolUnavailable` where nothing can be asked."""
        ...


Row = tuple[Tool, Handler]
