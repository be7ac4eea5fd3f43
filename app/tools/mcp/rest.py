"""A server that did not answer is left alone for a while, so that not every message waits for it."""

import time
from collections.abc import Callable
from typing import Final, final

REST_S: Final = 30.0


@final
class Rest:
    """Of one server, for all its callers."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with a server that is asked."""
        self._monotonic = monotonic
        self._ends = 0.0

    def begin(self) -> None:
        """Leave it alone from now on."""
        self._ends = self._monotonic() + REST_S

    @property
    def over(self) -> bool:
        """Whether it may be asked."""
        return self._monotonic() >= self._ends
