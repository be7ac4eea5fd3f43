"""A lane with litellm loaded, and a scripted upstream for it."""

from collections.abc import AsyncGenerator

import pytest

from app.providers.litellm_lane import LitellmLane
from tests.providers.calls import open_lane
from tests.upstream import Upstream


@pytest.fixture
async def lane() -> AsyncGenerator[LitellmLane]:
    async with open_lane() as opened:
        yield opened


@pytest.fixture
async def upstream() -> AsyncGenerator[Upstream]:
    async with Upstream() as running:
        yield running
