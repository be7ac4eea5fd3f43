import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from tests.tools.public.fake import FakePublic
from tests.tools.public.using import Ticks


@pytest.fixture
async def public() -> AsyncIterator[FakePublic]:
    async with FakePublic() as running:
        yield running


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens at."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
