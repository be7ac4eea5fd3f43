"""A signal while litellm loads: the interpreter's own end may wait for ever for an import lock of its thread."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.vault import generate_key

REPOSITORY = Path(__file__).parents[1]
COMMAND = """
import _imp, atexit, time
from app.cli import main
from app.providers import litellm_warmup

def end():  # litellm's HTTP clients do so when they are deleted
    import tabnanny

atexit.register(end)

def load():
    _imp.acquire_lock()  # where the thread stands for a moment at each import
    print("loading", flush=True)
    time.sleep(60)  # an import that goes on for as long as the test needs; the process is ended before

litellm_warmup.load = load
main(prog_name="llm-gateway")
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [pytest.param("dev", marks=pytest.mark.prove), "serve"])
def test_it_ends_at_once_and_quietly(tmp_path: Path, command: str, sent: signal.Signals) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "GATEWAY_PORT": "0",
        "GATEWAY_LOG_LEVEL": "WARNING",
        "GATEWAY_LANE": "litellm",
        "GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db",
    }
    if command == "serve":
        environ |= {"GATEWAY_CREDENTIAL_KEYS": generate_key(), "GATEWAY_AUTH_METHODS": "static_tokens"}
        environ |= {"GATEWAY_AUTH_TOKENS": f"ada:{'t' * 32}"}
        subprocess.run([sys.executable, "-c", COMMAND, "migrate"], cwd=tmp_path, env=environ, check=True)  # noqa: S603 - our own command
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", COMMAND, command],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert any(line == "loading\n" for line in process.stdout)
            began = time.monotonic()
            process.send_signal(sent)
            _, complaints = process.communicate(timeout=10)
        finally:
            process.kill()

    assert (process.returncode, complaints) == (0, "")
    assert time.monotonic() - began < 1.5
