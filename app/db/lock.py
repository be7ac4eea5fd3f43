"""One process per SQLite file: a second one would take the first one's live answers for dead."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress

from app.db.engine import sqlite_path
from app.errors import ConfigError


@contextmanager
def only_process(url: str) -> Generator[None]:
    """Hold the database for the block; raises `ConfigError` while another process holds it.

    The lock is the operating system's: it ends with the process, however that ends. PostgreSQL has no such lock here.
    """
    path = sqlite_path(url)
    if path is None:
        yield
        return
    # Of the file itself: a link to it is the same database.
    descriptor = os.open(f"{path.resolve()}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = "Another gateway is using this database: stop it first, or set GATEWAY_DATABASE_URL to another."
            raise ConfigError(message) from None
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)
