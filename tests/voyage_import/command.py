"""`llm-gateway import-voyage` as an operator runs it: a process of its own, or the same code in this one."""

import asyncio
import logging
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from click.testing import CliRunner, Result

from app.cli import main
from tests.voyage_import.voyage import Voyage

REPOSITORY = Path(__file__).parents[2]
COMMAND = (sys.executable, "-c", "from app.cli import main; main()", "import-voyage")


def environ(voyage: Voyage, database_url: str) -> dict[str, str]:
    return {
        "VOYAGE_DATABASE_URL": voyage.url,
        "GATEWAY_DATABASE_URL": database_url,
        "FIELD_ENCRYPTION_KEY": voyage.fernet_key.decode(),
    }


async def invoke(*arguments: str, **variables: str) -> Result:
    """Run the command in a thread, with the log as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        return await asyncio.to_thread(CliRunner().invoke, main, ["import-voyage", *arguments], env=variables)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


async def start(*arguments: str, command: Sequence[str] = COMMAND, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        *arguments,
        cwd=REPOSITORY,
        env=os.environ | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


MEASURED = (
    sys.executable,
    "-c",
    """
import atexit, sys
from app.cli import main
atexit.register(lambda: sys.stderr.write(open("/proc/self/status").read()))
main()
""",
    "import-voyage",
)
PEAK = re.compile(r"VmHWM:\s*(\d+) kB")


@dataclass(frozen=True)
class Measured:
    """A run of the command in a process of its own, to its end."""

    lines: list[str]
    seconds: float
    peak_mb: float


async def measure(*arguments: str, **variables: str) -> Measured:
    began = time.perf_counter()
    process = await start(*arguments, command=MEASURED, **variables)
    output, errors = await process.communicate()
    seconds = time.perf_counter() - began
    assert process.returncode == 0, errors
    peak = PEAK.search(errors.decode())
    return Measured(output.decode().splitlines(), seconds, int(peak[1]) / 1024 if peak else 0.0)
