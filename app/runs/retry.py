"""Whether a failed model call is tried again, and when: a pure policy."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.errors import GatewayError, NetworkError, ProviderError, ProviderResting, ProviderTimeout, RateLimited

_NEVER: Final = (ProviderTimeout, ProviderResting)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with jitter, in seconds; only ever asked before the first delta was shown."""

    max_attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 8.0
    longest_wait_s: float = 10.0
    """A provider that wants a longer pause than this is not waited for: the person sees its error instead."""
    jitter: Callable[[], float] = random.random
    """Gives a number from 0 to 1."""

    def delay(self, error: GatewayError, attempt: int, remaining_s: float) -> float | None:
        """Give the seconds to wait after failed attempt number `attempt` (from 1), or None to give up.

        A timeout has already used up the person's patience, a provider that rests is not asked before its time, and a
        rate limit without a date only gets worse.
        """
        if attempt >= self.max_attempts or not error.retryable or isinstance(error, _NEVER):
            return None
        if isinstance(error, RateLimited):
            wait = error.retry_after_s
        elif isinstance(error, ProviderError | NetworkError):
            wait = error.retry_after_s if error.retry_after_s is not None else self._backoff(attempt)
        else:
            return None
        if wait is None or wait > self.longest_wait_s or wait >= remaining_s:
            return None
        return max(0.0, wait)

    def _backoff(self, attempt: int) -> float:
        full = min(self.cap_s, self.base_s * 2.0 ** (attempt - 1))
        return full * (0.5 + 0.5 * self.jitter())
