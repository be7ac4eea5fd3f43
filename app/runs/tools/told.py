"""What comes of a call, in its two forms: whole for the interface, short enough for the model."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from app.db.tool_rounds import NOT_KNOWN
from app.runs.tools.limits import ToolLimits
from app.tools.tool import ToolResult

Status = Literal["completed", "failed", "unknown"]
CUT: Final = " [cut here: the result has {chars} characters]"
_AROUND: Final = 50
"""Levels of nesting that are kept free around a result: it becomes a part of events, which must be written too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is stored, shown and said of one call that is over."""

    status: Status
    result: Any
    """JSON, as the interface shows it."""
    text: str
    """As it is stored: the JSON of `result`."""
    for_model: str


def told(result: ToolResult, limits: ToolLimits) -> Told:
    """Give what is told of a tool's answer; one that is too large, or no JSON, is told as a failure."""
    nested: Any = result.value
    for _ in range(_AROUND):
        nested = [nested]
    try:
        text = orjson.dumps(nested)[_AROUND:-_AROUND]
    except (orjson.JSONEncodeError, RecursionError):
        return failed("The tool answered something that is no JSON, or too deep.", limits)
    if len(text) > limits.shown_bytes:
        start = text[: limits.model_chars].decode("utf-8", "ignore")
        large = f"The result is too large: {len(text):,} bytes, and {limits.shown_bytes:,} are shown at most."
        return _of("failed", {"error": large, "beginning": start}, limits)
    return _of("failed" if result.failed else "completed", result.value, limits, text.decode())


def failed(why: str, limits: ToolLimits, **more: Any) -> Told:  # noqa: ANN401 - JSON
    """Give what is told of a call that was not carried out."""
    return _of("failed", {"error": why, **more}, limits)


def unknown(limits: ToolLimits) -> Told:
    """Give what is told of a call of which nobody knows whether it was carried out."""
    return _of("unknown", NOT_KNOWN, limits)


def _of(status: Status, value: Any, limits: ToolLimits, text: str | None = None) -> Told:  # noqa: ANN401 - JSON
    text = orjson.dumps(value).decode() if text is None else text
    return Told(status=status, result=value, text=text, for_model=shortened(text, limits.model_chars))


def shortened(text: str, limit: int) -> str:
    """Give what a model is told of the text of a result."""
    return text if len(text) <= limit else text[:limit] + CUT.format(chars=len(text))
