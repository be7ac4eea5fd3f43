"""How much one piece of work keeps everybody else in this process waiting, and how much memory it takes meanwhile."""

import asyncio
import gc
import resource
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_STATM: Final = Path("/proc/self/statm")
_TICK_S: Final = 0.002


def _resident_bytes() -> int:
    return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize()


class Strain:
    """`async with Strain() as strain`: measures the block."""

    def __init__(self) -> None:
        self.lag_s = 0.0
        """The longest that a task which was ready to go on had to wait."""
        self.grown_bytes = 0
        """By how much the process was larger at most."""
        self.seconds = 0.0
        self._begun = 0.0
        self._before = 0
        self._probe: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        gc.collect()
        self._before = _resident_bytes()
        self._probe = asyncio.create_task(self._measure(), name="strain")
        await asyncio.sleep(0)
        self._begun = time.perf_counter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._begun
        if self._probe is not None:
            await asyncio.sleep(2 * _TICK_S)  # lets the probe see what the block's last step has cost
            self._probe.cancel()
            await asyncio.wait({self._probe})

    async def _measure(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            self.lag_s = max(self.lag_s, time.perf_counter() - asked - _TICK_S)
            self.grown_bytes = max(self.grown_bytes, _resident_bytes() - self._before)
