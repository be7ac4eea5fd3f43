"""Which texts of a provider's list may be kept: none that names the caller's key, and none with half a character.

A list that echoes the key would else show it as a model, in suggestions, in a diagnosis and in what is stored of them.
Looked at before anything is cut, so that no part of a key is left.
"""

from collections.abc import Mapping
from typing import Any, cast

from app.providers.key_echo import KeyEcho


def without_unfit(model: Mapping[str, Any], key: KeyEcho) -> Mapping[str, Any]:
    """Give an entry of a list without its unfit texts, those in arrays of texts too; without its id it is no entry.

    Texts further inside (prices, capabilities) are read as figures and names of our own, and never kept.
    """
    return {name: kept for name, value in model.items() if (kept := _fit(value, key)) is not None}


def fit_to_keep(text: str, key: KeyEcho) -> bool:
    """Tell whether `text` is whole, and without the key in any form."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return not key.stands_in(text)


def _fit(value: object, key: KeyEcho) -> object:
    if isinstance(value, str):
        return value if fit_to_keep(value, key) else None
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [item for item in items if not isinstance(item, str) or fit_to_keep(item, key)]
    return value
