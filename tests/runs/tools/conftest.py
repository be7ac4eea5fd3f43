import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """What is stored of tools is tested on both databases."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
