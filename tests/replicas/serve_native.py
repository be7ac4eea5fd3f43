"""`llm-gateway serve` without litellm, whose import takes seconds: `python -m tests.replicas.serve_native`.

With `LAG_FILE` in its environment it measures how late its event loop is, and writes that there at each SIGUSR1.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

from app.cli import EXIT_CONFIG, EXIT_FAILURE
from app.errors import ConfigError, GatewayError
from app.log import configure
from app.main import create_app
from app.serve import GatewayServer, leave, listen, loop_factory, open_migrated
from app.settings import Settings, load_settings
from bench.lag import LagProbe
from tests.replicas.native_client import NativeClient

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    _end_with_parent()
    try:
        _serve(_settings())
    except ConfigError as error:
        _fail(str(error), getattr(error, "exit_code", EXIT_CONFIG))
    except GatewayError as error:
        _fail(error.sentence, EXIT_FAILURE)


def _settings() -> Settings:
    settings = load_settings()
    configure(settings.log_level, settings.log_format)
    return settings


def _serve(settings: Settings) -> None:
    """The same steps in the same order as `app.serve.serve`."""
    asyncio.run(_check_database(settings.database_url))
    listener = listen(settings)
    with contextlib.closing(listener), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_answer(settings, listener))
        leave()


async def _check_database(url: str) -> None:
    async with open_migrated(url):
        pass


async def _answer(settings: Settings, listener: socket.socket) -> None:
    async with NativeClient() as client:
        with _lag_measured(os.environ.get("LAG_FILE", "")):
            await GatewayServer(create_app(settings, client=client), settings).serve(sockets=[listener])


@contextlib.contextmanager
def _lag_measured(file: str) -> Generator[None]:
    if not file:
        yield
        return
    loop, probe, path = asyncio.get_running_loop(), LagProbe(), Path(file)

    def write() -> None:
        half = path.with_suffix(".half")
        probe.write(half)
        half.replace(path)

    loop.add_signal_handler(signal.SIGUSR1, write)
    measuring = asyncio.create_task(probe.measure(), name="lag probe")
    try:
        yield
    finally:
        measuring.cancel()


def _end_with_parent() -> None:
    """A test process that is killed runs no clean-up, and a stopped child would stay for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"llm-gateway: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
