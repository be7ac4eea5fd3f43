"""The processes that a measurement starts; all of them are ended, whatever happens."""

import select
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parent.parent
_START_S: Final = 60.0
_END_S: Final = 15.0


class ChildFailed(Exception):
    """A process of the measurement did not do what it was started for."""


def run(name: str, arguments: dict[str, object], *, log: Path, seconds: float) -> bytes:
    """Run `python -m bench.<name>` to its end and give what it printed."""
    with log.open("ab") as errors, _started(name, arguments, errors.fileno()) as process:
        try:
            printed, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise _failed(name, log) from None
        if process.returncode:
            raise _failed(name, log)
        return printed


@contextmanager
def serving(name: str, arguments: dict[str, object], *, log: Path) -> Generator[tuple[int, int]]:
    """Run `python -m bench.<name>` for the block; give its process id and the port that it printed."""
    with log.open("ab") as errors, _started(name, arguments, errors.fileno()) as process:
        yield process.pid, _port(process, name, log)


@contextmanager
def _started(name: str, arguments: dict[str, object], errors: int) -> Generator["subprocess.Popen[bytes]"]:
    options = [f"--{key}={value}" for key, value in arguments.items() if not isinstance(value, bool)]
    flags = [f"--{key}" for key, value in arguments.items() if value is True]
    with subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", f"bench.{name}", *options, *flags], cwd=_ROOT, stdout=subprocess.PIPE, stderr=errors
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(process: "subprocess.Popen[bytes]", name: str, log: Path) -> int:
    deadline = time.monotonic() + _START_S
    while process.stdout is not None and time.monotonic() < deadline:
        readable, _, _ = select.select([process.stdout], [], [], 1.0)
        if readable:
            line = process.stdout.readline().strip()
            if line.isdigit():
                return int(line)
            break
    raise _failed(name, log)


def _failed(name: str, log: Path) -> ChildFailed:
    lines = log.read_text(errors="replace").splitlines()
    return ChildFailed("\n".join([f"bench.{name} failed:", *lines[-20:]]))
