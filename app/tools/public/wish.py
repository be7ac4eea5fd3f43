"""What the person's own words say where a model left it out."""

import re
from collections.abc import Sequence
from typing import Final

from app.voyage.reading import one_line

MAX_PLACE_WORDS: Final = 6
MAX_PLACE_CHARS: Final = 80
_DINING: Final = re.compile(
    r"\b(?:bakery|bakeries|bars?|bistros?|breakfast|brunch|caf[eé]s?|coffee|cuisines?|din(?:e|er|ing|ner)s?|drinks?|eat(?:s|ing)?"
    r"|food|gastronomy|lunch|meals?|pubs?|restaurants?|snacks?|street food|supper|tapas|wine)\b",
    re.IGNORECASE,
)
_COMMAND: Final = re.compile(
    r"(?:add|ask|book|can|change|check|could|create|delete|do|find|get|give|go|help|how|i|list|look|make|move|no|ok|okay"
    r"|please|plan|recommend|remove|search|see|show|suggest|tell|thanks|update|use|what|when|where|which|who|why|yes)\b",
    re.IGNORECASE,
)
"""How a message begins that is no place."""


def wants_food(said: Sequence[str]) -> bool:
    """Tell whether any of the messages is about eating or drinking."""
    return any(_DINING.search(text) for text in said)


def place_in(said: Sequence[str]) -> str | None:
    """Give the newest message where it is nothing but a place, so far as one can see: `Alfama, Lisbon`."""
    if not said or "?" in said[0] or len(said[0].strip()) > MAX_PLACE_CHARS:
        return None
    text = one_line(said[0], MAX_PLACE_CHARS)
    if not text or len(text.split()) > MAX_PLACE_WORDS or _COMMAND.match(text):
        return None
    return text
