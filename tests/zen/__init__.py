"""A scripted OpenCode Zen on loopback: see `Zen`."""

from tests.zen.server import KEY, Zen
from tests.zen.table import GO, PATHS, ZEN

__all__ = ["GO", "KEY", "PATHS", "ZEN", "Zen"]
