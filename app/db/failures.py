"""How a database fails, whichever one it is."""

import sqlite3
import sys
from typing import Any, Final

import structlog
from sqlalchemy.exc import DataError, SQLAlchemyError, StatementError

from app.errors import GatewayError, InvalidInput, StorageUnavailable

_BAD_VALUE: Final = "22"
"""SQLSTATE class of PostgreSQL for a value that cannot be stored, a NUL character for example."""
_log: Final = structlog.stdlib.get_logger(__name__)


def failures() -> tuple[type[Exception], ...]:
    """Give everything that a database and its driver raise; for `except`, which asks only when something was raised.

    asyncpg is loaded with the first engine for PostgreSQL, and what is not loaded raises nothing.
    """
    driver: Any = sys.modules.get("asyncpg")
    of_driver = () if driver is None else (driver.PostgresError, driver.InterfaceError)
    return (SQLAlchemyError, *of_driver, sqlite3.Error, OSError)


def as_gateway_error(failure: Exception) -> GatewayError:
    """Give `InvalidInput` for a text that cannot be stored, else `StorageUnavailable`; without SQL and values.

    Raises `failure` itself where our own code gave a value that is no column's: a bug, which no waiting mends.
    """
    cause = failure.orig if isinstance(failure, StatementError) else failure
    if _unstorable(failure, cause):
        return InvalidInput("The text holds a character that cannot be stored.", action="Remove it and send it again.")
    if type(failure) is StatementError:  # its subclasses are the driver's failures
        raise failure
    _log.warning("storage_failed", kind=type(failure).__name__, cause=type(cause).__name__)
    return StorageUnavailable()


def _unstorable(failure: Exception, cause: BaseException | None) -> bool:
    sqlstate = getattr(cause, "sqlstate", None)
    return (
        isinstance(failure, DataError)
        or isinstance(cause, UnicodeEncodeError)
        or (isinstance(sqlstate, str) and sqlstate.startswith(_BAD_VALUE))
    )
