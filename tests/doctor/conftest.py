"""A lane, the application with two people, and a port that takes nobody."""

import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing

import pytest

from app.providers.model import ModelClient
from tests.providers.calls import open_lane
from tests.routers.gateway import Gateway, open_gateway


@pytest.fixture
async def lane() -> AsyncGenerator[ModelClient]:
    async with open_lane() as opened:
        yield opened


@pytest.fixture
async def gateway(database_url: str) -> AsyncGenerator[Gateway]:
    async with open_gateway(database_url) as opened:
        yield opened


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full: what comes now is never taken."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as server:
        port: int = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)  # noqa: FBT003 - its only argument
            one.connect_ex(("127.0.0.1", port))
        yield port
        for one in waiting:
            one.close()
