"""Gets litellm loaded beside the event loop. What speaks to it, and httpx with that, is imported in the same thread."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import ModuleType


def load() -> ModuleType:
    """Load litellm; takes seconds of CPU, so call it in a thread. May be tried again."""
    from app.providers import litellm_setup  # noqa: PLC0415 - httpx, wanted only with litellm

    return litellm_setup.load()


def load_warm() -> ModuleType:
    """Load litellm and make its first calls quick; otherwise as `load`."""
    from app.providers import litellm_warmup  # noqa: PLC0415 - see above

    return litellm_warmup.load()


async def in_daemon_thread(loader: Callable[[], ModuleType]) -> ModuleType:
    """Run `loader` beside the event loop, in a thread that never holds up the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[ModuleType] = loop.create_future()

    def run() -> None:
        try:
            module = loader()
        except BaseException as error:  # noqa: BLE001 - carried over to the waiting task, whatever it is
            _tell(loop, done, partial(done.set_exception, error))
        else:
            _tell(loop, done, partial(done.set_result, module))

    threading.Thread(target=run, name="load litellm", daemon=True).start()
    return await done


def _tell(loop: asyncio.AbstractEventLoop, done: "asyncio.Future[ModuleType]", tell: Callable[[], None]) -> None:
    """Hand the result over, unless nobody waits any more."""
    with suppress(RuntimeError):  # the loop is closed: the process ends
        loop.call_soon_threadsafe(lambda: None if done.done() else tell())
