"""Every lane, ready to be called, and a scripted upstream for it."""

from collections.abc import AsyncGenerator

import pytest

from app.providers.litellm_lane import LitellmLane
from app.providers.model import ModelClient
from app.providers.provider import Lane
from tests.lanes import spoken
from tests.providers.calls import open_lane, open_litellm
from tests.upstream import Upstream


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what no lane is asked for."""
    items[:] = spoken(items)


@pytest.fixture(params=list(Lane))
async def lane(request: pytest.FixtureRequest) -> AsyncGenerator[ModelClient]:
    async with open_lane(request.param) as opened:
        yield opened


@pytest.fixture
async def litellm_lane() -> AsyncGenerator[LitellmLane]:
    async with open_litellm() as opened:
        yield opened


@pytest.fixture
async def upstream() -> AsyncGenerator[Upstream]:
    async with Upstream() as running:
        yield running
