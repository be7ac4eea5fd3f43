"""What the person's own words say where a model left it out."""

import re
from collections.abc import Sequence
from typing import Final

_DINING: Final = re.compile(
    r"\b(?:bakery|bakeries|bars?|bistros?|breakfast|brunch|caf[eé]s?|coffee|cuisines?|din(?:e|er|ing|ner)s?|drinks?|eat(?:s|ing)?"
    r"|food|gastronomy|lunch|meals?|pubs?|restaurants?|snacks?|street food|supper|tapas|wine)\b",
    re.IGNORECASE,
)


def wants_food(said: Sequence[str]) -> bool:
    """Tell whether any of the messages is about eating or drinking."""
    return any(_DINING.search(text) for text in said)
