"""What takes a SQLite file away from the gateway: another process that writes, and a disk that is full."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_CODE: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""
_END_S: Final = 10.0
_ROOM: Final = 64 * 1024


class LockedBy:
    """Another process's write transaction on the file, open for as long as the block lasts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-c", _CODE, str(self._file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"locked\n":
            self.__exit__(None, None, None)
            message = "the file could not be locked"
            raise AssertionError(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.communicate(b"\n", timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class SmallDisk:
    """A file system of a few megabytes; needs the right to mount, and fails without it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> int:
        """Leave not one byte free, and give how many were."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (_ROOM, 4096, 512, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)
            return file.tell()

    def free(self) -> None:
        self._ballast.unlink()

    @property
    def room(self) -> int:
        """Bytes that are free."""
        told = os.statvfs(self.folder)
        return told.f_bavail * told.f_frsize


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int = 8) -> Generator[SmallDisk]:
    """Mount one at `folder` for the block."""
    folder.mkdir()
    _do("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield SmallDisk(folder)
    finally:
        deadline = time.monotonic() + _END_S
        # A process that was just killed may still have files open there.
        while subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode:  # noqa: S603, S607 - the machine's own
            if time.monotonic() > deadline:
                _do("umount", "--lazy", str(folder))
                break
            time.sleep(0.05)


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - the machine's own commands
    assert done.returncode == 0, done.stderr
