"""The end of a model call, which is a task of its own: waited for within bounds, and told as what it failed with."""

import asyncio

import structlog

from app.errors import GatewayError, Origin, ProviderTimeout
from app.runs.hub import log_crash
from app.runs.live import LiveRun

_log = structlog.stdlib.get_logger(__name__)


async def failure_of(
    asking: "asyncio.Task[None]", run: LiveRun, *, seconds: float, origin: Origin
) -> BaseException | None:
    """Wait for the call and give what it failed with; one that ignores its own deadline is left behind after `seconds`.

    A cancelled call fails with `CancelledError`, a bug is logged. Being cancelled itself leaves the call as it is.
    """
    await asyncio.wait({asking}, timeout=seconds)
    if not asking.done():
        _log.error("run.stuck", run_id=str(run.run_id), provider=run.provider)
        return ProviderTimeout(origin=origin)
    if asking.cancelled():
        return asyncio.CancelledError()
    failure = asking.exception()
    if failure is not None and not isinstance(failure, GatewayError):
        log_crash(failure, run.run_id)
    return failure
