"""How often a stream is read: at once while there is time, less often and more at once while the process is busy.

Most of what a piece of an answer costs is paid for each read, whatever it brings. A busy process that reads on at once
makes everybody wait, above all who waits for a first word; one that lets a running text collect for a few hundredths
of a second does half the work. See `docs/decisions/0033`.
"""

import time
from collections.abc import Callable
from typing import Final, final

EASY: Final = (0.3, 0.6)
"""Between these shares of a core the pause grows up to `STEADY_S`."""
STEADY_S: Final = 0.06
"""A text that grows sixteen times a second still seems to flow."""
HARD: Final = (0.85, 1.0)
"""Between these it grows by `LAST_S` more."""
LAST_S: Final = 0.19
"""A process that can do no more: a text that grows four times a second is better than one that is seconds late."""
LOOK_S: Final = 0.05
"""How often the share is measured."""
WEIGHT: Final = 0.25
"""Of a new measurement, against those before."""


@final
class Pace:
    """Measures how busy this process is, and gives the pause that follows from it."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, used: Callable[[], float] = time.process_time
    ) -> None:
        """Take the clock, and what tells the seconds of CPU that the process has used."""
        self._clock = clock
        self._used_by_now = used
        self._looked = clock()
        self._used = used()
        self._share = 0.0

    def pause(self) -> float:
        """Give the seconds from one read of a stream to its next, 0 while there is no hurry to save."""
        now = self._clock()
        elapsed = now - self._looked
        if elapsed >= LOOK_S:
            used = self._used_by_now()
            share = (used - self._used) / elapsed
            self._looked, self._used = now, used
            # What was measured long ago says nothing.
            weight = WEIGHT if elapsed < 2 * LOOK_S else 1.0
            self._share += weight * (share - self._share)
        return STEADY_S * _part(self._share, EASY) + LAST_S * _part(self._share, HARD)


def _part(share: float, between: tuple[float, float]) -> float:
    low, high = between
    return min(1.0, max(0.0, (share - low) / (high - low)))
