"""Voyage's JSON, read without trust: any field may be missing, of another type, endless, or made to be misread."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

_SLACK: Final = 4
"""How many characters of a text are looked at for each one that may be left of it."""
_JOINERS: Final = "\u200c\u200d"
"""The two invisible characters that belong to words and emoji."""


def one_line(value: object, max_chars: int) -> str | None:
    """Give a text as one line of up to `max_chars` characters; None for a blank one and for what is no text.

    Line breaks and control characters become spaces. Characters that a person cannot see (direction marks, tags,
    halves of a character) are left out: they can hide words from the reader that a model still reads.
    """
    if not isinstance(value, str):
        return None
    shown = "".join(map(_shown, value[: max_chars * _SLACK]))
    return " ".join(shown.split())[:max_chars].rstrip() or None


def mapping(value: object) -> Mapping[str, Any]:
    """Give a JSON object, an empty one for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[object]:
    """Give a JSON array, an empty one for anything else."""
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def _shown(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cf" | "Cs" if character not in _JOINERS:
            return ""
        case _:
            return character
