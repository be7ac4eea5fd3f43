"""What the bodies of all wires are made from."""

import hashlib
import re
from collections.abc import Iterable
from typing import Any, cast

import orjson

from app.providers.model import ChatMessage, ToolSpec


def system_text(messages: Iterable[ChatMessage]) -> str:
    """Give what the operator says to the model, for wires that take it apart from the conversation."""
    return "\n\n".join(message.content for message in messages if message.role == "system" and message.content)


def talk(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    """Give the messages of the conversation itself."""
    return [message for message in messages if message.role != "system"]


def parameters(tool: ToolSpec) -> dict[str, Any]:
    """Give the JSON Schema of a tool's arguments; every wire wants an object."""
    return tool.parameters or {"type": "object", "properties": {}}


def json_object(text: str) -> dict[str, Any] | None:
    """Give `text` as the JSON object that it is, None for anything else."""
    try:
        found: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def fitting_id(id_: str, allowed: re.Pattern[str], length: int) -> str:
    """Give `id_` where it matches `allowed`, else one of `length` characters in its place, always the same.

    A conversation may have begun at another provider, whose ids this one would refuse.
    """
    if allowed.fullmatch(id_):
        return id_
    return hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:length]
