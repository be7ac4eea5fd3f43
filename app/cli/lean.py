"""How the commands that serve import the frameworks: fast, and without what those take along because it is there."""

import gc
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

_SPARED: Final = MappingProxyType({"PYDANTIC_DISABLE_PLUGINS": "__all__"})
"""pydantic would look for plugins of its own in all that is installed: https://docs.pydantic.dev/latest/concepts/plugins/."""
_LEFT_OUT: Final = ("rich",)
"""structlog would draw tracebacks with it, which we print plain; with pygments it takes 9 MB and 40 ms."""


@contextmanager
def lean_imports() -> Generator[None]:
    """Import much inside; afterwards everything can be imported again, as litellm does.

    All of it stays, so nobody looks for garbage in it, now or later: that would take a fifth of the time of a start.
    """
    left_out = [name for name in _LEFT_OUT if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    for name, value in _SPARED.items():
        os.environ.setdefault(name, value)
    gc.disable()
    # What is None there counts as not installed: https://docs.python.org/3/reference/import.html#the-module-cache.
    modules.update(dict.fromkeys(left_out))
    try:
        yield
    finally:
        for name in left_out:
            del modules[name]
        gc.freeze()
        gc.enable()
