"""What the tools for public services have in common when they answer."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from app.cache import CacheClosed
from app.tools.public.failure import PublicFailure
from app.tools.tool import ToolResult, ToolUnavailable

_LATE: Final = "The search took too long."


def failed(error: str, *, retryable: bool = True, **more: Any) -> ToolResult:  # noqa: ANN401 - JSON
    """Give a result that says why nothing was done, with further keys beside `error`.

    As Voyage's tools do, only what is not to be tried again says so.
    """
    value = {"error": error, **more} if retryable else {"error": error, "retryable": False, **more}
    return ToolResult(value=value, failed=True, retryable=retryable)


async def answered(work: Awaitable[ToolResult], seconds: float, **more: Any) -> ToolResult:  # noqa: ANN401 - JSON
    """Give what `work` gives within `seconds`, and its failures as results; raises `ToolUnavailable` at the end."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except PublicFailure as away:
        return failed(str(away), retryable=away.retryable, **more)
    except TimeoutError:
        return failed(_LATE, **more)
    except CacheClosed:
        message = "The gateway is shutting down. Try again in a moment."
        raise ToolUnavailable(message) from None
