"""Voyage's JSON, read without trust: any field may be missing, of another type, endless, or made to be misread."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

_SLACK: Final = 4
"""How many characters of a text are looked at for each one that may be left of it."""
_JOINERS: Final = "\u200c\u200d"
"""The two format characters that belong to words and emoji."""
_UNSEEN_RANGES: Final = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2065, 0x2065),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0E),  # not FE0F, the style of emoji
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0xE0000, 0xE0FFF),
)
"""What Unicode calls default ignorable beside the format characters: variation selectors, fillers, and codes kept free
for more of them (DerivedCoreProperties.txt, Default_Ignorable_Code_Point)."""
_UNSEEN: Final = re.compile("[{}]".format("".join(f"{chr(first)}-{chr(last)}" for first, last in _UNSEEN_RANGES)))


def one_line(value: object, max_chars: int) -> str | None:
    """Give a text as one line of up to `max_chars` characters; None for a blank one and for what is no text.

    Line breaks and control characters become spaces. Characters that a person cannot see (direction marks, tags,
    variation selectors other than that of emoji, fillers, halves of a character) are left out: they can hide words from
    the reader that a model still reads.
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
    if _UNSEEN.match(character):
        return ""
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cf" | "Cs" if character not in _JOINERS:
            return ""
        case _:
            return character
