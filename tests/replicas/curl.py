"""The reader that everybody has: `curl -sN`, as a process of its own."""

import asyncio
import shutil
from asyncio.subprocess import Process
from typing import Self

from tests.replicas.frames import FrameParser
from tests.replicas.reading import Ended, Reading


class Curl:
    """Begun by `begin`; `reading` is filled by `end`, or as far as it came by `kill`."""

    def __init__(self, process: Process, run_id: str) -> None:
        self._process = process
        self._output = b""
        self._parser = FrameParser()
        self.reading = Reading(run_id=run_id, status=200)

    @classmethod
    async def begin(cls, url: str, token: str, *, json: str = "", run_id: str = "") -> Self:
        """Send a message, or without one only read; raises `FileNotFoundError` where there is no curl."""
        curl = shutil.which("curl")
        if curl is None:
            raise FileNotFoundError
        words = ["-sN", "--fail", "-H", f"Authorization: Bearer {token}"]
        words += ["-H", "Content-Type: application/json", "-d", json] if json else []
        process = await asyncio.create_subprocess_exec(
            curl, *words, url, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        return cls(process, run_id)

    async def until(self, text: bytes, *, seconds: float = 30) -> None:
        """Read until `text` has come."""
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            while text not in self._output:
                chunk = await self._process.stdout.read(65_536)
                assert chunk, f"curl ended before {text!r}: {self._output[-300:]!r}"
                self._take(chunk)

    async def end(self, *, seconds: float = 60) -> int:
        """Read to the end and give curl's exit code: 18 for a body that was cut."""
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            while chunk := await self._process.stdout.read(65_536):
                self._take(chunk)
            code = await self._process.wait()
        self.reading.odd += self._parser.odd
        if code == 0:
            self.reading.finish(self._parser.rest)
        else:
            self.reading.end = Ended.CUT
        return code

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _take(self, chunk: bytes) -> None:
        self._output += chunk
        self.reading.take(self._parser.feed(chunk, asyncio.get_running_loop().time()))
