"""One process of the gateway that a test starts, stops, holds and kills."""

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

REPOSITORY: Final = Path(__file__).parents[2]
NATIVE: Final = (sys.executable, "-m", "tests.replicas.serve_native")
LITELLM: Final = (sys.executable, "-c", "from app.cli import main; main(prog_name='llm-gateway')", "serve")
"""The command as it is installed; ready only after seconds."""
START_S: Final = 30.0
STOP_S: Final = 30.0
"""The longest that docs/operations.md grants a stop, with the default grace, and some more."""
_TICK_S: Final = 0.01
_BAD_LINE: Final = re.compile(r'"level": ?"(error|critical)"|Traceback')
_STOPPED: Final = frozenset("Tt")


class NotStartedError(Exception):
    """The process ended, or said nothing, before it answered; the text is the end of its log."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: minus the number of the signal that killed it, or its own code."""

    code: int
    seconds: float
    """From the signal to the end."""


class Replica:
    """`async with Replica(environ, log=path) as replica`: started inside the block, ended by its end, always.

    The port is reserved for as long as the block lasts, so that it is the same after a restart.
    """

    def __init__(self, environ: Mapping[str, str], *, log: Path, command: Sequence[str] = NATIVE) -> None:
        """Take the settings, GATEWAY_PORT excepted; the process writes to `log`, whose folder is its own."""
        self.log = log
        self._environ = environ
        self._command = command
        self._port = 0
        self._reserved: socket.socket | None = None
        self._process: Process | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def __aenter__(self) -> Self:
        # Bound but not listening: nobody else is given the port, and whoever may share it can still listen on it.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self._port = self._reserved.getsockname()[1]
        try:
            await self.start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def start(self) -> float:
        """Start the process, wait until it answers, and give the seconds; raises `NotStartedError`."""
        if self.alive:
            message = "it runs already"
            raise RuntimeError(message)
        began = _now()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self.log.parent,
                env=self._whole_environ(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(START_S):
                while not await self._lives():
                    if not self.alive:
                        raise NotStartedError(self.log_end())
                    await asyncio.sleep(_TICK_S)
        except TimeoutError:
            raise NotStartedError(self.log_end()) from None
        return _now() - began

    async def restart(self) -> float:
        """End it with SIGTERM if it is alive, start it again, and give the seconds of the start."""
        if self.alive:
            await self.terminate()
        return await self.start()

    async def kill(self) -> Exit:
        """End it as a crash of the machine does: nothing of its own runs any more."""
        return await self._stop(signal.SIGKILL, STOP_S)

    async def terminate(self, *, seconds: float = STOP_S) -> Exit:
        """Ask it to end and wait; `TimeoutError` after `seconds`, the process then being killed."""
        return await self._stop(signal.SIGTERM, seconds)

    async def pause(self) -> None:
        """Hold the whole process, sockets open, as a machine that swaps or a cut network does."""
        self._running().send_signal(signal.SIGSTOP)
        await self._until(lambda: self._state() in _STOPPED)

    async def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)
        await self._until(lambda: self._state() not in _STOPPED)

    def rss(self) -> int:
        """Bytes of its memory that are in the machine's."""
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def client(self, token: str, *, read_s: float = 30.0) -> httpx.AsyncClient:
        """Give a client that signs in with `token`; its owner closes it. `read_s` bounds each wait for bytes."""
        transport = httpx.AsyncHTTPTransport(verify=False, trust_env=False, limits=httpx.Limits(max_connections=None))
        return httpx.AsyncClient(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(10, read=read_s),
            transport=transport,
            trust_env=False,
        )

    def errors(self) -> list[str]:
        """Give the lines of its log that no fault from outside explains: level error and above, and tracebacks."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if _BAD_LINE.search(line)]

    def log_end(self, size: int = 4000) -> str:
        """Give the last lines that it wrote."""
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def _whole_environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            **self._environ,
            "GATEWAY_PORT": str(self._port),
        }

    def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            message = "there is no process"
            raise RuntimeError(message)
        return self._process

    async def _stop(self, sent: signal.Signals, seconds: float) -> Exit:
        process, began = self._running(), _now()
        process.send_signal(sent)
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            message = f"it did not end within {seconds:g} s:\n{self.log_end()}"
            raise TimeoutError(message) from None
        return Exit(code, _now() - began)

    async def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def _lives(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        try:
            writer.write(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return (await reader.read()).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False
        finally:
            writer.close()

    def _state(self) -> str:
        # The second field is the name in brackets, which may hold anything.
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]

    async def _until(self, predicate: Callable[[], bool]) -> None:
        async with asyncio.timeout(STOP_S):
            while not predicate():  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(_TICK_S)


def _now() -> float:
    return asyncio.get_running_loop().time()
