"""A start is quick and small. Where litellm is needed its loading is never felt, and the server says "not ready"."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass

import httpx
import pytest


@dataclass(frozen=True, slots=True)
class Start:
    """What one start looked like from outside, and from inside its loop."""

    first_answer: str
    slowest_answer_s: float
    ready_s: float
    started_s: float
    """From the start of the process to `ready`, its imports included."""
    lag_ms: float
    cpu_s: float
    """Of the whole process, from its start to its end."""
    memory_mb: float
    litellm: bool
    """Whether litellm was imported."""


async def start(sqlite_url: str, *settings: str) -> Start:
    """Start the gateway, ask until it is ready, and stop it."""
    executed = time.perf_counter()
    probe = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.stories.start_probe",
        sqlite_url,
        *settings,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert probe.stdin is not None
    assert probe.stdout is not None
    try:
        async with asyncio.timeout(90), httpx.AsyncClient(trust_env=False) as http:
            url = (await probe.stdout.readline()).decode().strip() + "/health/ready"
            began = time.perf_counter()
            slowest_s, answers = 0.0, list[httpx.Response]()
            while not answers or answers[-1].status_code != 200:
                asked = time.perf_counter()
                answers.append(await http.get(url))
                slowest_s = max(slowest_s, time.perf_counter() - asked)
                await asyncio.sleep(0.05)
            ready_s, started_s = time.perf_counter() - began, time.perf_counter() - executed
            probe.stdin.close()
            cost = json.loads(await probe.stdout.readline())
            await probe.wait()
    finally:
        if probe.returncode is None:
            probe.kill()
            await probe.wait()
    return Start(answers[0].json()["checks"]["litellm"], slowest_s, ready_s, started_s, **cost)


async def test_nothing_waits_for_litellm_where_nothing_needs_it(sqlite_url: str) -> None:
    found = await start(sqlite_url)

    assert (found.first_answer, found.litellm) == ("ok", False)


@pytest.mark.parametrize(
    "chosen", ["GATEWAY_LANE=litellm", pytest.param("VOYAGE_AI_PROVIDER=ollama", marks=pytest.mark.prove)]
)
async def test_the_server_answers_before_litellm_is_loaded(sqlite_url: str, chosen: str) -> None:
    found = await start(sqlite_url, chosen)

    assert (found.first_answer, found.litellm) == ("loading", True)


@pytest.mark.prove
async def test_the_event_loop_is_never_blocked_by_loading_litellm(sqlite_url: str) -> None:
    found = await start(sqlite_url, "GATEWAY_LANE=litellm")

    print(  # noqa: T201 - the figures of the proof
        f"longest lag {found.lag_ms:.0f} ms, slowest answer {found.slowest_answer_s * 1000:.0f} ms,"
        f" ready {found.ready_s:.1f} s after listening"
    )
    assert found.lag_ms < 100
