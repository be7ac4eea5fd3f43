"""The reader of docs/stream.md, as it stands there, over a process that is killed."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.replicas.environment import PROVIDER, TOKENS, environment
from tests.replicas.play import Play
from tests.replicas.process import REPOSITORY, Replica
from tests.replicas.recorder import Recorder
from tests.replicas.upstream import PlayingUpstream

Answer = Callable[[httpx.Client, str, str], Iterator[dict[str, Any]]]


@pytest.fixture
async def upstream() -> AsyncIterator[PlayingUpstream]:
    async with PlayingUpstream() as running:
        yield running


@pytest.fixture
async def replica(sqlite_url: str, tmp_path: Path, upstream: PlayingUpstream) -> AsyncIterator[Replica]:
    environ = environment(sqlite_url, upstream.base_url, tmp_path, VOYAGE_AI_PROVIDER=PROVIDER)
    async with Replica(environ, log=tmp_path / "replica.log") as running:
        yield running


def documented() -> Answer:
    """Give the function of the page, without the lines that use it."""
    page = (REPOSITORY / "docs" / "stream.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block.partition("\nhttp = ")[0], names)  # noqa: S102 - the repository's own page
    answer: Answer = names["answer"]
    return answer


async def test_it_gives_every_event_once_over_a_kill(replica: Replica, upstream: PlayingUpstream) -> None:
    async with replica.client(TOKENS["alice"]) as http:
        conversation = (await Recorder.create(http)).conversation
    seen: list[dict[str, Any]] = []

    def read() -> None:
        headers = {"Authorization": f"Bearer {TOKENS['alice']}"}
        with httpx.Client(base_url=replica.base_url, headers=headers, trust_env=False, timeout=30) as client:
            seen.extend(documented()(client, conversation, f"{Play(chunks=9, pace_ms=5, gate='door', at=6)} #it"))

    reading = asyncio.create_task(asyncio.to_thread(read))
    await upstream.reached("door")
    await replica.kill()
    await replica.restart()
    async with asyncio.timeout(30):
        await reading

    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert [seen[0]["type"], seen[-1]["type"]] == ["run.started", "run.interrupted"]
    assert len(upstream.calls) == 1
