"""The time limits of one call to a model."""

import asyncio
from typing import Any

from app.errors import GatewayError, ProviderTimeout, StreamStalled
from app.providers.exchange import Exchange


class CallDeadline:
    """The limits of one call; only a useful delta counts as progress, so pings cannot stretch them."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin now."""
        loop = asyncio.get_running_loop()
        self._exchange = exchange
        self._limits = exchange.request.deadlines
        self._now = loop.time
        self._end = self._now() + self._limits.total_s
        self._next = self._now() + self._limits.first_token_s
        self._begun = False
        self._timeout: asyncio.Timeout | None = None

    def progress(self) -> None:
        """Note a useful delta: the next one may take its own time."""
        self._begun = True
        self._next = self._now() + self._limits.idle_s

    async def __aenter__(self) -> None:
        """End the block at the limit that comes first."""
        self._timeout = asyncio.timeout_at(min(self._next, self._end))
        await self._timeout.__aenter__()

    async def __aexit__(self, *details: Any) -> None:  # noqa: ANN401, PYI036 - handed on as they are
        """Raise `TimeoutError` if it did."""
        if self._timeout is not None:
            await self._timeout.__aexit__(*details)

    def explain(self) -> GatewayError:
        """Give the error for the limit that was passed."""
        label, origin, limits = self._exchange.origin.label, self._exchange.origin, self._limits
        if self._now() >= self._end:
            return ProviderTimeout(f"{label} did not finish its answer in {limits.total_s:g} s.", origin=origin)
        if self._begun:
            return StreamStalled(f"{label} sent nothing for {limits.idle_s:g} s.", origin=origin)
        return ProviderTimeout(f"{label} sent no token in {limits.first_token_s:g} s.", origin=origin)
