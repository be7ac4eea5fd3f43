"""Waiting for SQLite's lock, which another process may hold.

SQLite itself looks for a lock ten times a second. Another process that writes all the time leaves it alone for less
than a millisecond in between, and could keep this one out for minutes.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Final, TypeVar

LOOK: Final = "PRAGMA busy_timeout = 1"
"""For a connection whose statements are insisted on: SQLite waits for a millisecond, then it says so."""
_PRIMARY: Final = 0xFF
"""What of an extended code says that SQLite is busy: https://www.sqlite.org/rescode.html#extrc"""
T = TypeVar("T")


def insist(work: Callable[[], T], seconds: float) -> T:
    """Give what `work`, one statement, gives once nobody else has the lock; raises what it raises after `seconds`."""
    ends = time.monotonic() + seconds
    while True:
        try:
            return work()
        except sqlite3.OperationalError as failure:
            if failure.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or time.monotonic() >= ends:
                raise
