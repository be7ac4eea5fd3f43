"""A file that holds one secret, as Docker and Kubernetes mount them."""

import logging
import os
import stat
from pathlib import Path
from typing import Final

from app.errors import ConfigError

MAX_BYTES: Final = 100_000
_log: Final = logging.getLogger(__name__)


def read_secret(path: Path, variable: str) -> str:
    """Give what is in the file that the setting `variable` names, without blanks around it.

    Raises `ConfigError`; only warns of a file that everybody can read.
    """
    try:
        with path.open("rb") as file:
            open_to_all = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & stat.S_IROTH
            content = file.read(MAX_BYTES + 1)
    except OSError as failure:
        message = f"{variable}: the file cannot be read ({failure.strerror})."
        raise ConfigError(message) from None
    if open_to_all:
        _log.warning("%s can be read by every user of this machine; chmod 0400 it", variable)
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > MAX_BYTES:
        message = f"{variable}: the file is empty, too large or not text."
        raise ConfigError(message)
    return text
