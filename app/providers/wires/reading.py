"""What has been read of one answer, in the wire's own words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from app.events import FinishReason, Usage


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


@dataclass(frozen=True, slots=True)
class Fault:
    """An event that is no answer: the provider's error object, or None where the event itself makes no sense."""

    complaint: Mapping[str, Any] | None


def table(value: object) -> dict[str, Any]:
    """Give `value` if it is a JSON object, else an empty one: providers send null where an object belongs."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def rows(value: object) -> list[dict[str, Any]]:
    """Give the JSON objects of a list; anything else in it, or in its place, is left out."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [table(cast("object", item)) for item in items if isinstance(item, dict)]


def count(value: object) -> int:
    """Give a token count; what is no number, or below zero, counts 0."""
    return max(0, int(value)) if isinstance(value, int | float) else 0
