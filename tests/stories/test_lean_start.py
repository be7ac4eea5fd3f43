"""What serves without litellm is small and quick to start: it has nothing in memory that serving does not need."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.replicas.environment import MODEL, PROVIDER, TOKENS, environment
from tests.replicas.process import Replica
from tests.upstream import Upstream

MEGABYTE = 1_000_000
UNWANTED = frozenset(
    {
        "alembic",
        "asyncpg",
        "cryptography",
        "httpx",
        "litellm",
        "mako",
        "openai",
        "pygments",
        "redis",
        "rich",
        "sqlalchemy.dialects.mssql",
        "sqlalchemy.dialects.mysql",
        "sqlalchemy.dialects.postgresql",
    }
)
OF_POSTGRES = frozenset({"asyncpg", "sqlalchemy.dialects.postgresql"})


@dataclass(frozen=True, slots=True)
class Serving:
    """The command `serve` in a process of its own, ready, and the file it tells its modules in."""

    replica: Replica
    modules_file: Path

    @property
    def cpu_s(self) -> float:
        """What it has used so far."""
        fields = Path(f"/proc/{self.replica.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def unwanted(self) -> set[str]:
        """Give what it has imported of `UNWANTED`."""
        self.modules_file.unlink(missing_ok=True)
        os.kill(self.replica.pid, signal.SIGUSR1)
        async with asyncio.timeout(10):
            while not self.modules_file.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        return set(UNWANTED) & set(json.loads(self.modules_file.read_text(encoding="utf-8")))

    async def ready(self) -> None:
        async with self.replica.client(TOKENS["alice"]) as http:
            assert (await http.get("/health/ready")).json()["status"] == "ready"

    async def answer(self) -> None:
        """Have one message answered, to its end."""
        async with self.replica.client(TOKENS["alice"]) as http:
            conversation = (await http.post("/api/chat/conversations/", json={})).json()["id"]
            body = {"message": "Where to?", "provider": PROVIDER, "model": MODEL}
            answer = await http.post(f"/api/chat/conversations/{conversation}/send_message/", json=body)
        assert '"type":"run.completed"' in answer.text


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Both databases: each brings a driver of its own."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def serving(database_url: str, tmp_path: Path) -> AsyncIterator[Serving]:
    modules = tmp_path / "modules.json"
    command = (sys.executable, "-m", "tests.stories.serve_probe")
    async with Upstream() as upstream:
        environ = environment(database_url, upstream.base_url, tmp_path, MODULES_FILE=str(modules))
        async with Replica(environ, log=tmp_path / "serve.log", command=command) as replica:
            serving = Serving(replica, modules)
            await serving.ready()
            yield serving


async def test_nothing_is_imported_that_serving_does_not_need(serving: Serving, database_url: str) -> None:
    allowed = OF_POSTGRES if database_url.startswith("postgresql") else frozenset[str]()

    at_start = await serving.unwanted()
    await serving.answer()

    assert at_start == allowed
    assert await serving.unwanted() == allowed


async def test_a_process_takes_less_than_100_megabytes(serving: Serving, database_url: str) -> None:
    # PostgreSQL's driver and dialect, and a pool of connections in place of one.
    more = 6 if database_url.startswith("postgresql") else 0
    at_start = serving.replica.rss() / MEGABYTE
    await serving.answer()
    after_an_answer = serving.replica.rss() / MEGABYTE

    print(f"{at_start:.1f} MB when ready, {after_an_answer:.1f} MB after an answer")  # noqa: T201 - the figures
    assert after_an_answer < 100 + more


@pytest.mark.prove
async def test_a_start_takes_less_than_a_second_of_the_processor(serving: Serving) -> None:
    spent = serving.cpu_s

    print(f"{spent:.2f} s of CPU until ready")  # noqa: T201 - the figure of the proof
    assert spent < 1
