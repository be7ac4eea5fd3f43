"""The time limits of one call to a model."""

import asyncio
from typing import Any, Final

from app.errors import GatewayError, ProviderTimeout, StreamStalled
from app.providers.exchange import Exchange

AFTER_FINISH_S: Final = 5.0
"""How long usage and the closing marker may take once the answer is whole; then they are given up."""
LINGER_S: Final = 0.05
"""How long the end of a body may take after the last event, for the sake of using the connection again."""
_TICK_S: Final = 0.001
"""What an event loop's clock may be behind: uvloop counts in milliseconds."""


class CallDeadline:
    """The limits of one call; only a useful delta counts as progress, so pings cannot stretch them.

    `with` around each wait raises `TimeoutError` at the limit that comes first. One timer serves the whole call:
    when it goes off it looks whether the limit has moved on since, so a wait costs no timer of its own.
    """

    def __init__(self, exchange: Exchange) -> None:
        """Begin now."""
        loop = asyncio.get_running_loop()
        self._exchange = exchange
        self._limits = exchange.request.deadlines
        self._loop = loop
        self._end = loop.time() + self._limits.total_s
        self._next = loop.time() + self._limits.first_token_s
        self._begun = False
        self._finishing = False
        self._timer: asyncio.TimerHandle | None = None
        self._goes_off = 0.0
        self._waiting: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._expired = False
        self._waiting_since = 0.0
        self._waited_s = 0.0

    def progress(self) -> None:
        """Note a useful delta: the next one may take its own time."""
        if not self._finishing:
            if not self._begun:
                self._begun = True
                self._exchange.request.on_answering()
            self._next = self._loop.time() + self._limits.idle_s

    def finishing(self) -> None:
        """Note, once, that the answer is whole: what may still follow it gets a few seconds."""
        if not self._finishing:
            self._finishing = True
            self._next = self._loop.time() + AFTER_FINISH_S

    def close(self) -> None:
        """Drop the timer, and tell what the provider was waited for; nothing is any more."""
        self._disarm()
        self._exchange.request.on_waited(self._waited_s)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        """End the block at the limit that comes first."""
        due = min(self._next, self._end)
        if self._timer is None or self._goes_off > due + _TICK_S:
            self._arm(due)
        self._waiting_since = self._loop.time()
        task = asyncio.current_task()
        self._waiting, self._cancelling = task, task.cancelling() if task is not None else 0

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Raise `TimeoutError` if it did."""
        task, self._waiting = self._waiting, None
        self._waited_s += self._loop.time() - self._waiting_since
        if not self._expired:
            return
        self._expired = False
        # Another cancellation, from outside, goes on; ours ends here.
        ours = task is not None and task.uncancel() <= self._cancelling
        if ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def _arm(self, due: float) -> None:
        self._disarm()
        self._goes_off = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None:
            return  # the next wait arms it anew
        due = min(self._next, self._end)
        if self._loop.time() + _TICK_S < due:
            self._arm(due)
            return
        self._expired = True
        self._waiting.cancel()

    def explain(self) -> GatewayError:
        """Give the error for the limit that was passed."""
        label, origin, limits = self._exchange.origin.label, self._exchange.origin, self._limits
        if self._end <= self._next:
            return ProviderTimeout(f"{label} did not finish its answer in {limits.total_s:g} s.", origin=origin)
        if self._begun:
            return StreamStalled(f"{label} sent nothing for {limits.idle_s:g} s.", origin=origin)
        return ProviderTimeout(f"{label} sent no token in {limits.first_token_s:g} s.", origin=origin)
