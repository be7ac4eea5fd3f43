"""What a process went through while a test broke something: how late its loop was, how long others waited."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from bench.figures import Spread
from bench.lag import read_lags
from tests.replicas.process import Replica

LAG_LIMIT_MS: Final = 100.0
RECOVERY_LIMIT_S: Final = 5.0
_WRITTEN_S: Final = 20.0
_LOOK_S: Final = 0.05


def lag_file(log: Path) -> Path:
    """Name the file of a replica's lateness; its environment has it as `LAG_FILE`."""
    return log.with_suffix(".lag")


async def lag_of(replica: Replica, begin: float, end: float) -> Spread:
    """Give how late the process's loop was between two moments of the monotonic clock; at least one look a second."""
    path = lag_file(replica.log)
    path.unlink(missing_ok=True)
    os.kill(replica.pid, signal.SIGUSR1)
    await eventually(path.exists, seconds=_WRITTEN_S)
    lags = read_lags(path, begin, end)
    assert len(lags) > end - begin, "the probe did not measure"
    return Spread.of(lags)


async def eventually(predicate: Callable[[], bool], *, seconds: float) -> None:
    """Wait for what only asking tells: a file, a process; raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not predicate():  # noqa: ASYNC110 - see above
            await asyncio.sleep(_LOOK_S / 5)


@dataclass(slots=True)
class Watch:
    """How a process does while the block lasts."""

    waits: list[float] = field(default_factory=list[float])
    """Seconds that each request of somebody else took."""
    memory: list[int] = field(default_factory=list[int])
    """Bytes, looked at again and again."""

    @property
    def p99_ms(self) -> float:
        return Spread.of(self.waits).p99

    @property
    def growth_mb(self) -> float:
        """From the first look to the greatest."""
        return (max(self.memory) - self.memory[0]) / 1e6


@asynccontextmanager
async def watching(replica: Replica, http: httpx.AsyncClient, path: str) -> AsyncGenerator[Watch]:
    """Ask for `path` and for the memory twenty times a second while the block lasts."""
    watch = Watch(memory=[replica.rss()])

    async def ask(due: float) -> None:
        answer = await http.get(path)
        watch.waits.append(time.monotonic() - due)
        assert answer.status_code == 200, answer.text

    async def look() -> None:
        # At fixed times, whether or not the answers before have come: a stall counts as often as it would be met.
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while not ended.is_set():
                group.create_task(ask(due))
                watch.memory.append(replica.rss())
                due += _LOOK_S
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    ended = asyncio.Event()
    looking = asyncio.create_task(look())
    try:
        yield watch
    finally:
        ended.set()
        await asyncio.wait({looking}, timeout=_WRITTEN_S)
        looking.cancel()
    await looking
