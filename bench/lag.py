"""How late the event loop is: a timer that asks every ten milliseconds."""

import asyncio
import time
from pathlib import Path
from typing import Final, final

import orjson

_EVERY_S: Final = 0.01


@final
class LagProbe:
    """Measures until it is cancelled; keeps a moment and a lateness for each look, in monotonic seconds.

    Every look that was due counts, also those for which the loop had no time: a stall weighs as long as it lasts.
    """

    def __init__(self) -> None:
        """Start with nothing measured."""
        self._looks: list[tuple[float, float]] = []

    async def measure(self) -> None:
        """Look again and again."""
        due = time.monotonic() + _EVERY_S
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            while due <= now:
                self._looks.append((due, now - due))
                due += _EVERY_S

    def write(self, path: Path) -> None:
        """Write every look, so that a reader can choose the time it asks about."""
        path.write_bytes(orjson.dumps(self._looks))


def read_lags(path: Path, begin: float, end: float) -> list[float]:
    """Give the latenesses between two moments of the monotonic clock."""
    return [late for moment, late in orjson.loads(path.read_bytes()) if begin <= moment <= end]
