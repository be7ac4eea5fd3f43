"""Stories that ask a provider are told in every lane."""

import pytest

from app.providers.provider import Lane
from tests.lanes import spoken


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what no call takes."""
    items[:] = spoken(items)


@pytest.fixture(params=list(Lane))
def lane(request: pytest.FixtureRequest) -> Lane:
    """Every lane; a test that wants a provider asks for it."""
    chosen: Lane = request.param
    return chosen
