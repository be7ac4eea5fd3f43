"""Which tools of a server can be offered to a model."""

import re
from typing import Final

import orjson

from app.tools.tool import Tool

MAX_DESCRIPTION_CHARS: Final = 4_000
MAX_SCHEMA_BYTES: Final = 50_000
"""It is sent with every step of every answer."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What all providers take; one name beyond it has the whole request refused."""


def is_fit(tool: Tool) -> bool:
    """Tell whether its name and its schema can be sent to every provider."""
    if not _NAME.fullmatch(tool.name):
        return False
    try:
        return len(orjson.dumps(dict(tool.parameters))) <= MAX_SCHEMA_BYTES
    except (orjson.JSONEncodeError, RecursionError):
        return False
