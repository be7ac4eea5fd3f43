import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.voyage_import.voyage import DDL, TABLES, Voyage, connect

NAME = "voyage"


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite, or what `on_both_databases` asks for."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


@pytest.fixture(scope="session")
def voyage_url(postgres_sockets: Path) -> str:
    """A database with Voyage's tables."""
    server = f"postgresql://postgres@/{{}}?host={quote(str(postgres_sockets))}"

    async def make() -> None:
        admin = await connect(server.format("postgres"))
        await admin.execute(f"CREATE DATABASE {NAME}")
        await admin.close()
        made = await connect(server.format(NAME))
        await made.execute(DDL)
        await made.close()

    asyncio.run(make())
    return server.format(NAME)


@pytest.fixture
async def voyage(voyage_url: str) -> AsyncIterator[Voyage]:
    """An empty Voyage; a test that changes its tables does so in a transaction."""
    connection = await connect(voyage_url)
    await connection.execute(f"TRUNCATE {', '.join(TABLES)}")
    yield Voyage(voyage_url, connection)
    await connection.close()
