import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Every query is tested on both databases."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
