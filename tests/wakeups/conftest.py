from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.valkey_server import own_valkey, valkey
from tests.wakeups.replicas import Replicas

__all__ = ["own_valkey", "valkey"]


@pytest.fixture
async def replicas() -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        yield Replicas(stack)
