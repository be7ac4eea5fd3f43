"""One gateway with its upstream, measured, for a test that takes something away from it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.replicas.environment import TOKENS, environment
from tests.replicas.measuring import lag_file
from tests.replicas.process import Replica
from tests.replicas.upstream import PlayingUpstream

Record = Callable[[str, object], None]
"""pytest's `record_property`."""


@dataclass(slots=True)
class Place:
    """What a test has at hand."""

    replica: Replica
    http: httpx.AsyncClient
    upstream: PlayingUpstream
    spill: Path
    """Where events wait for the database."""


@asynccontextmanager
async def gateway(
    database_url: str, folder: Path, *, spill: Path | None = None, **overrides: str
) -> AsyncGenerator[Place]:
    """Run it for the block, with `folder` for its files; events wait in `spill`, or in a folder in `folder`."""
    if spill is None:
        spill = folder / "spill"
        spill.mkdir()
    async with PlayingUpstream() as upstream, replica(database_url, folder, upstream, spill, **overrides) as running:
        yield Place(*running, upstream, spill)


@asynccontextmanager
async def replica(
    database_url: str, folder: Path, upstream: PlayingUpstream, spill: Path, name: str = "replica", **overrides: str
) -> AsyncGenerator[tuple[Replica, httpx.AsyncClient]]:
    """Run one of several of one database."""
    log = folder / f"{name}.log"
    settings = {
        "LAG_FILE": str(lag_file(log)),
        "GATEWAY_SPILL_DIR": str(spill),
        "GATEWAY_SHUTDOWN_GRACE_SECONDS": "0.2",
        **overrides,
    }
    environ = environment(database_url, upstream.base_url, folder, **settings)
    async with Replica(environ, log=log) as running, running.client(TOKENS["alice"], read_s=40) as http:
        yield running, http


def noting(record: Record) -> Record:
    """Give what records a figure and prints it too, for who runs the proofs with -s."""

    def note(name: str, value: object) -> None:
        record(name, str(value))
        print(f"{name}: {value}")  # noqa: T201 - see above

    return note
