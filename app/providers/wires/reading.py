"""What has been read of one answer, in the wire's own words."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from app.events import FinishReason, Usage

_LARGEST: Final = 2**53


class OddPieceError(Exception):
    """A piece of the answer has a form that the wire does not know, so what it says would be lost."""


def unknown_end(reason: str) -> dict[str, Any]:
    """Give the error object for an end that the wire's documentation does not know: it is never called complete."""
    return {"error": {"code": reason, "message": f"The answer ended with {reason}"}}


@dataclass(slots=True)
class Reading:
    """Filled by a wire's `read` event by event."""

    finish: FinishReason | None = None
    """Set once the wire said why the answer ends: from then on nothing of the text can be missing."""
    usage: Usage | None = None
    counted: dict[str, Any] | None = None
    """What `usage` was made of, for a wire that repeats it, or tells it in parts."""
    tools: bool = False
    """Whether a tool call was seen, for wires that finish it with a plain stop."""
    reason: FinishReason | None = None
    """Why the answer ends, where the wire says it before the end itself."""
    over: bool = False
    """Whether nothing more is to come."""


def table(value: object) -> dict[str, Any]:
    """Give `value` if it is a JSON object, else an empty one: providers send null where an object belongs."""
    # An ignored type costs nothing at run time; `cast` is a call, and this is the hottest place of a stream.
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # JSON's own


def rows(value: object) -> list[dict[str, Any]]:
    """Give the JSON objects of a list; anything else in it, or in its place, is left out."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]  # pyright: ignore[reportUnknownVariableType]  # JSON's own


def count(value: object) -> int:
    """Give a token count; what is no number of 0 to 2^53 (what JSON can carry exactly) counts 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return int(cast("float", value)) if number else 0


def string(value: object) -> str:
    """Give `value` if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def text(value: object) -> str:
    """Give a piece of the answer, empty where there is none; raises `OddPieceError` for what is no text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise OddPieceError


def part(value: object) -> dict[str, Any]:
    """Give the object that holds a piece, empty where there is none; raises `OddPieceError` for anything else."""
    if value is None or isinstance(value, dict):
        return value or {}  # pyright: ignore[reportUnknownVariableType]  # JSON's own
    raise OddPieceError


def parts(value: object) -> list[dict[str, Any]]:
    """Give the objects that hold pieces; raises `OddPieceError` for a list of anything else, and for no list."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise OddPieceError
    return [part(item) for item in cast("list[object]", value)]


def json_text(value: object) -> str:
    """Give the arguments of a tool call as JSON text; some providers send the object itself.

    Raises `OddPieceError` for what is neither.
    """
    if isinstance(value, str):
        return value
    if not part(value):
        return ""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # halves of a surrogate pair, which the slower parser let in
        return json.dumps(value, separators=(",", ":"))


def first(choices: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Give of several answers what belongs to the first: the others were not asked for."""
    return (choice for choice in choices if not choice.get("index"))
