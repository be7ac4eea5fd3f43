from collections.abc import AsyncIterator

import pytest

from tests.routers.gateway import Gateway, open_gateway


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    async with open_gateway(database_url) as opened:
        yield opened
