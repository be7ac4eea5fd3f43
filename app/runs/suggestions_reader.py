"""The places that a model named, out of a tool call or out of its text; pure, linear, and trusting nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, cast

import orjson

from app.runs.suggestions_prompt import MAX_SUGGESTIONS
from app.voyage.reading import one_line

MAX_NAME_CHARS: Final = 300
MAX_TEXT_CHARS: Final = 2000
_FENCE: Final = "```"
_REQUIRED: Final = ("name", "location")
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    # Ours first, then what models and the Voyage frontend also call it.
    "name": ("name", "title", "place_name", "venue"),
    "location": ("location", "address", "neighborhood", "neighbourhood"),
    "description": ("description", "summary", "details"),
    "why_fits": ("why_fits", "whyFits", "reason"),
    "category": ("category",),
    "price_level": ("price_level", "priceLevel", "price"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One place, as a model described it."""

    name: str
    location: str
    """An address or a neighbourhood."""
    description: str | None = None
    why_fits: str | None = None
    category: str | None = None
    price_level: str | None = None


def read_suggestions(calls: Sequence[str], text: str) -> tuple[Suggestion, ...] | None:
    """Give the usable places of the calls' arguments, or of the text where no call has any; `MAX_SUGGESTIONS` at most.

    Empty where the model says so with an empty list and nothing else; None where nothing is usable.
    """
    called = [items for call in calls if (items := _items(_parsed(call))) is not None]
    written = (_items(_parsed(candidate)) for candidate in _candidates(text))
    seen: list[list[object]] = []
    for items in chain([list(chain.from_iterable(called))] if called else [], written):
        if items is None:
            continue
        usable = tuple(place for item in items if (place := _suggestion(item)) is not None)
        if usable:
            return usable[:MAX_SUGGESTIONS]
        seen.append(items)
    return () if seen and not any(seen) else None


def _candidates(text: str) -> Iterator[str]:
    """Give what of a text may be its JSON: all of it, each fenced block, what stands between the outermost brackets."""
    yield text
    for block in text.split(_FENCE)[1::2]:
        first, _, rest = block.partition("\n")
        yield block if first.lstrip().startswith(("{", "[")) else rest
    yield _between(text, "{", "}")
    array = _between(text, "[", "]")
    if "{" in array:  # any other array, an empty one too, is a part of something else
        yield array


def _between(text: str, opening: str, closing: str) -> str:
    return text[text.find(opening) : text.rfind(closing) + 1] if opening in text else ""


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _items(value: object) -> list[object] | None:
    """Give the list within: bare, under `suggestions`, written as a text there, or a single place without one."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        if "suggestions" not in table:
            return [table] if _suggestion(table) is not None else None
        value = table["suggestions"]
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(value, dict):
            return [cast("object", value)]
    return cast("list[object]", value) if isinstance(value, list) else None


def _suggestion(item: object) -> Suggestion | None:
    if not isinstance(item, dict):
        return None
    table = cast("dict[str, Any]", item)
    name, location = (_text(table, _NAMES[ours], MAX_NAME_CHARS) for ours in _REQUIRED)
    if name is None or location is None:
        return None
    further = {ours: _text(table, names, MAX_TEXT_CHARS) for ours, names in _NAMES.items() if ours not in _REQUIRED}
    return Suggestion(name=name, location=location, **further)


def _text(item: Mapping[str, Any], names: Sequence[str], max_chars: int) -> str | None:
    """Give the first of `names` that holds a text, or a number as one, on one line."""
    for name in names:
        value = item.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if text := one_line(value, max_chars):
            return text
    return None
