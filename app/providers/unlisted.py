"""Whether a list says clearly that a model is not there, and which of its models may have been meant.

Lists leave out other spellings of what they have: an undated name, a tag, a name with or without its vendor. Refusing
a model that works is worse than a call in vain, so whatever may be such a spelling counts as listed.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Final

from app.providers.model_info import ModelInfo, ModelList, ModelStatus
from app.providers.provider import Provider

SUGGESTIONS: Final = 3
_COMPARED: Final = 100
"""Ids that are compared letter by letter: up to 0.15 ms each, in which nothing else happens."""
_CUTOFF: Final = 0.6
_LATEST: Final = re.compile(r"[-:]latest$")
_VARIANT: Final = re.compile(
    r":[^:/]*$"  # ollama's tags, OpenRouter's variants
    r"|[-@](?:\d{3,8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2,4}|0|latest|preview|exp|experimental|beta|stable)$"
)
_FAMILY: Final = re.compile(r"[a-z]+")


def is_unlisted(provider: Provider, listed: ModelList, model: str) -> bool:
    """Tell whether the list of `provider` rules `model` out, which is the provider's own id in the route's form.

    Never for `-latest`, for an id that the row knows, or where the list names the same model with another date, tag,
    vendor or stage.
    """
    asked = model.lower()
    if asked in listed.named or _LATEST.search(asked) or model in provider.models:
        return False
    if asked.rpartition("/")[2] in provider.own_names:
        return False
    stem = _stem(asked)
    return all(_stem(name) != stem for name in listed.named)


def similar(models: Iterable[ModelInfo], model: str) -> tuple[str, ...]:
    """Give up to three ids of `models` that are spelled like `model`, then those of its family; the best first.

    Retired models are left out, and the model itself.
    """
    living = [one.id for one in models if one.status is not ModelStatus.RETIRED and one.id != model]
    asked = _bare(model.lower())
    family = _nearest_first([name for name in living if _family(name) == _family(model)], asked)
    others = [name for name in living if _family(name) != _family(model)]
    by_text = {name.lower(): name for name in reversed([*family, *others][:_COMPARED])}
    spelled = {_bare(text): name for text, name in by_text.items()}
    close = difflib.get_close_matches(asked, spelled, n=SUGGESTIONS, cutoff=_CUTOFF)
    ordered = dict.fromkeys([*(spelled[text] for text in close), *family])
    return tuple(ordered)[:SUGGESTIONS]


def _nearest_first(family: list[str], asked: str) -> list[str]:
    """Sort by how much of the beginning is the same."""
    return sorted(family, key=lambda name: -_common(_bare(name.lower()), asked))


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _family(name: str) -> str:
    found = _FAMILY.match(_bare(name.lower()))
    return found[0] if found else ""


def _bare(name: str) -> str:
    return name.rpartition("/")[2]


def _stem(name: str) -> str:
    stem = _bare(name)
    while (shorter := _VARIANT.sub("", stem)) not in {stem, ""}:
        stem = shorter
    return stem
