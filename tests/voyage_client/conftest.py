from collections.abc import AsyncIterator

import pytest

from app.voyage.client import VoyageClient
from tests.voyage.fake import FakeVoyage


@pytest.fixture
async def voyage() -> AsyncIterator[FakeVoyage]:
    async with FakeVoyage() as running:
        yield running


@pytest.fixture
async def client(voyage: FakeVoyage) -> AsyncIterator[VoyageClient]:
    async with VoyageClient(voyage.base_url) as opened:
        yield opened
