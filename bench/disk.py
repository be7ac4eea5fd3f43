"""How long the disk takes to say that something is on it: what every durable answer waits for."""

import os
import statistics
import time
from pathlib import Path
from typing import Final

_WRITES: Final = 50
_BYTES: Final = 4096


def sync_ms(folder: Path) -> float:
    """Give the median time of a write and its fdatasync in `folder`."""
    times: list[float] = []
    with (folder / "sync-probe").open("wb", buffering=0) as file:
        for _ in range(_WRITES):
            file.write(b"x" * _BYTES)
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1000
