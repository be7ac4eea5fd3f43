"""The bench of the wires from end to end, small: every lane must bring every chunk."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).parents[2]


def bench(*options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bench.wires", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=120)  # noqa: S603 - our own


@pytest.mark.prove
def test_both_lanes_bring_every_chunk_on_every_wire() -> None:
    done = bench("--chunks=20", "--answers=1", "--json")

    assert done.returncode == 0, done.stderr.decode()
    wires = {each["wire"]: each for each in orjson.loads(done.stdout)}
    assert set(wires) == {"openai_chat", "openai_responses", "anthropic_messages", "gemini"}
    assert all(each["native_us"] > 0 and each["litellm_us"] > 0 for each in wires.values())


@pytest.mark.parametrize("option", ["--chunks=0", "--answers=0"])
def test_there_must_be_something_to_measure(option: str) -> None:
    done = bench(option)

    assert done.returncode == 2
    assert b"must be more than 0" in done.stderr
