"""Replicas of one database with their upstream, and a client of each: what most proofs begin with."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.replicas.environment import TOKENS, environment
from tests.replicas.process import Replica
from tests.replicas.upstream import PlayingUpstream

LEASE_S: Final = 1.0
"""As short as the gateway takes it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Made by `replicas_of`; as many replicas as were asked for, which are two on PostgreSQL."""

    upstream: PlayingUpstream
    replicas: tuple[Replica, ...]
    clients: tuple[httpx.AsyncClient, ...]
    """Alice at each replica, in their order."""

    def unexplained(self) -> list[str]:
        """Give what the replicas wrote that no fault from outside explains."""
        return [line for replica in self.replicas for line in replica.errors()]


@asynccontextmanager
async def replicas_of(url: str, folder: Path, *, count: int = 2, **overrides: str) -> AsyncGenerator[Pair]:
    """Start `count` replicas inside the block and give them; `overrides` are whole variables."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(PlayingUpstream())
        settings: Mapping[str, str] = {"GATEWAY_LEASE_SECONDS": str(LEASE_S), "GATEWAY_SHUTDOWN_GRACE_SECONDS": "0.2"}
        environ = environment(url, upstream.base_url, folder, **{**settings, **overrides})
        replicas = tuple(Replica(environ, log=_log(folder, number)) for number in range(count))
        async with asyncio.TaskGroup() as starting:
            for replica in replicas:
                starting.create_task(stack.enter_async_context(replica))
        clients = tuple([await stack.enter_async_context(one.client(TOKENS["alice"])) for one in replicas])
        yield Pair(upstream, replicas, clients)


def _log(folder: Path, number: int) -> Path:
    own = folder / f"replica-{number}"
    own.mkdir()
    return own / "replica.log"
