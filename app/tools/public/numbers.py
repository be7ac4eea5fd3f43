"""Numbers as models and services write them."""

import math
from typing import Final

_MAX_TEXT_CHARS: Final = 40


def number(value: object) -> float | None:
    """Give a finite number, also one written as text; None for anything else, and for true and false."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > _MAX_TEXT_CHARS:
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None
