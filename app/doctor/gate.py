"""How often, and how many at once, people may ask for a diagnosis: each is a handful of requests to somebody else."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, final

from app.errors import GatewayRateLimited

PER_USER: Final = 10
"""Diagnoses of one user within `WINDOW_S`."""
WINDOW_S: Final = 60.0
AT_ONCE: Final = 8
"""Diagnoses of all users that run at once."""
BUSY_RETRY_S: Final = 5.0
MAX_USERS: Final = 10_000
"""How many users' times are remembered; where there are more within a minute, the earliest are forgotten."""


@final
class Rate:
    """Counts what each user asks for."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Count from now on."""
        self._now = monotonic
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    @property
    def remembered(self) -> int:
        """Number of users whose times are kept."""
        return len(self._times)

    def take(self, user_id: str) -> float:
        """Count one; give the seconds that the user has to wait, 0 where it is one of the `PER_USER`."""
        now = self._now()
        times = self._times.setdefault(user_id, deque(maxlen=PER_USER))
        if len(times) == PER_USER and now - times[0] < WINDOW_S:
            return WINDOW_S - (now - times[0])
        times.append(now)
        self._times.move_to_end(user_id)
        while self._times:
            oldest = next(iter(self._times.values()))
            if len(self._times) <= MAX_USERS and now - oldest[-1] < WINDOW_S:
                break
            self._times.popitem(last=False)
        return 0.0


@final
class Gate:
    """Lets one diagnosis of each user through at a time."""

    def __init__(self, rate: Rate | None = None) -> None:
        """Count with `rate`."""
        self._rate = rate or Rate()
        self._inside: set[str] = set()

    @contextmanager
    def admit(self, user_id: str) -> Generator[None]:
        """Hold a place for the block; raises `GatewayRateLimited`."""
        if user_id in self._inside:
            message = "A diagnosis of yours is still running."
            raise GatewayRateLimited(message, action="Wait for it to end.", retry_after_s=BUSY_RETRY_S)
        if len(self._inside) >= AT_ONCE:
            message = "Too many diagnoses are running."
            raise GatewayRateLimited(message, action="Try again in a moment.", retry_after_s=BUSY_RETRY_S)
        wait = self._rate.take(user_id)
        if wait:
            message = f"You have asked for {PER_USER} diagnoses within a minute."
            raise GatewayRateLimited(message, action=f"Wait {wait:.0f} s.", retry_after_s=wait)
        self._inside.add(user_id)
        try:
            yield
        finally:
            self._inside.discard(user_id)
