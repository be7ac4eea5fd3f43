"""The time, as something that a test can hold still."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Give the wall clock's time with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What a run reads times from: `now` for what is stored, `monotonic` (seconds) for how long things took."""

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
