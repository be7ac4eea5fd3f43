"""Which tools of a server can be offered to a model."""

import re
from collections.abc import Sequence
from typing import Final

import orjson

from app.tools.tool import Tool

MAX_DESCRIPTION_CHARS: Final = 4_000
MAX_SCHEMA_BYTES: Final = 50_000
MAX_BYTES: Final = 200_000
"""Of all schemas of a server: they are sent with every step of every answer."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What all providers take; one name beyond it has the whole request refused."""


def fit(tools: Sequence[Tool]) -> Sequence[Tool]:
    """Give those whose names and schemas can be sent to every provider, as many as fit into `MAX_BYTES`."""
    fitting: list[Tool] = []
    size = 0
    for tool in tools:
        schema = _size(tool)
        if _NAME.fullmatch(tool.name) and schema <= MAX_SCHEMA_BYTES and size + schema <= MAX_BYTES:
            fitting.append(tool)
            size += schema
    return fitting


def _size(tool: Tool) -> int:
    try:
        return len(orjson.dumps(dict(tool.parameters)))
    except (orjson.JSONEncodeError, RecursionError):
        return MAX_BYTES + 1
