"""Replicas that share one Valkey server, and waits for what becomes of them."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final
from uuid import uuid4

from app.secret import Secret
from app.wakeups import Watch
from app.wakeups.valkey import ValkeyWakeups
from tests.valkey_server import ValkeyServer

HEARD_S: Final = 10.0


class Replicas:
    """Any number of replicas that share one server and one prefix."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._prefix = f"test-{uuid4().hex}"

    async def open(self, url: str, *, prefix: str = "") -> ValkeyWakeups:
        """Give one that reaches the others."""
        replica = await self.begin(url, prefix=prefix)
        await reaches(replica)
        return replica

    async def begin(self, url: str, *, prefix: str = "") -> ValkeyWakeups:
        """Give one that has only begun to look for the server."""
        replica = ValkeyWakeups(Secret(url), prefix=prefix or self._prefix)
        return await self._stack.enter_async_context(replica)

    async def pair(self, server: ValkeyServer) -> tuple[ValkeyWakeups, ValkeyWakeups]:
        return await self.open(server.url), await self.open(server.unix_url)

    def watch(self, replica: ValkeyWakeups, topic: str) -> Watch:
        """Give a watch that lasts as long as the test."""
        return self._stack.enter_context(replica.watch(topic))


async def settled(teller: ValkeyWakeups, listener: ValkeyWakeups) -> None:
    """Return when `listener` has taken in all that `teller` told so far."""
    topic = f"settled:{uuid4()}"
    with listener.watch(topic) as watch:
        teller.tell(topic)
        assert await watch.wait(HEARD_S)


async def reaches(replica: ValkeyWakeups, *, wanted: bool = True) -> None:
    """Wait, as a reader does, until it reaches others or no longer does."""
    async with asyncio.timeout(HEARD_S):
        with replica.watch("reach") as watch:
            while replica.reaches_others is not wanted:
                assert await watch.wait(HEARD_S)
