"""The bench from end to end, small: it must count everything, and say so when something is missing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

ROOT = Path(__file__).parents[2]


def bench(*options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "bench.streams", "--streams=3", "--chunks=10", "--seconds=1", "--rounds=1", *options],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.mark.prove
def test_every_chunk_of_every_stream_arrives_and_is_counted() -> None:
    done = bench("--json")

    assert done.returncode == 0, done.stderr.decode()
    printed: dict[str, Any] = orjson.loads(done.stdout)
    (measured,) = printed["rounds"]
    for side in (measured["direct"], measured["bare"], measured["gateway"]):
        assert side["errors"] == {}
        assert side["streams"] >= 3
        assert side["chunks"] == side["streams"] * 10
        assert 0 < side["delivered"] <= side["chunks"]
        assert 0 <= side["transit"]["p50"] <= side["transit"]["p99"]
        assert 0 < side["first_token"]["p50"] <= side["first_token"]["p99"]
    assert measured["gateway"]["server_us_per_chunk"] > 0
    assert measured["gateway"]["server_mib"] > 0
    assert printed["summary"]["times_bare"] > 0
    assert printed["summary"]["whole"]


@pytest.mark.prove
def test_a_gateway_that_does_not_start_is_an_error() -> None:
    done = bench("--database=mysql://localhost/nothing")

    assert done.returncode == 1
    assert b"bench.gateway failed" in done.stderr


@pytest.mark.parametrize("option", ["--streams=0", "--chunks=0", "--seconds=0", "--rounds=0"])
def test_there_must_be_something_to_measure(option: str) -> None:
    done = bench(option)

    assert done.returncode == 2
    assert b"must be more than 0" in done.stderr
