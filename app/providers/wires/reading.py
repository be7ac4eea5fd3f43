"""What has been read of one answer, in the wire's own words."""

from dataclasses import dataclass
from typing import Any, Final, cast

from app.events import FinishReason, Usage

_LARGEST: Final = 2**53


def unknown_end(reason: str) -> dict[str, Any]:
    """Give the error object for an end that the wire's documentation does not know: it is never called complete."""
    return {"error": {"code": reason, "message": f"The answer ended with {reason}"}}


@dataclass(slots=True)
class Reading:
    """Filled by a wire's `read` event by event."""

    finish: FinishReason | None = None
    """Set once the wire said why the answer ends: from then on nothing of the text can be missing."""
    usage: Usage | None = None
    tools: bool = False
    """Whether a tool call was seen, for wires that finish it with a plain stop."""
    reason: FinishReason | None = None
    """Why the answer ends, where the wire says it before the end itself."""
    over: bool = False
    """Whether nothing more is to come."""


def table(value: object) -> dict[str, Any]:
    """Give `value` if it is a JSON object, else an empty one: providers send null where an object belongs."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def rows(value: object) -> list[dict[str, Any]]:
    """Give the JSON objects of a list; anything else in it, or in its place, is left out."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [table(cast("object", item)) for item in items if isinstance(item, dict)]


def count(value: object) -> int:
    """Give a token count; what is no number of 0 to 2^53 (what JSON can carry exactly) counts 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return int(cast("float", value)) if number else 0
