"""The one form that a URL must have before anything is connected to for it."""

import re
from typing import Final

_FORM: Final = re.compile(
    r"(?P<scheme>https?)://(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?::\d{1,5})?"
    r"(?:/(?!(?:[^?]*/)?(?:\.|%2[eE]){1,2}(?:[/?]|\Z))[!-\"$-\[\]-~]*)?"
)
"""Visible ASCII without a user, a backslash, a fragment, a zone or a dot segment: what two parsers read differently."""


class UnusableUrl(ValueError):
    """A URL that nothing is sent to; what it is stands in no text, as it may hold a secret."""


def read(url: str) -> tuple[bool, str]:
    """Tell whether `url` is encrypted, and its host without brackets; raises `UnusableUrl`."""
    match = _FORM.fullmatch(url)
    if match is None:
        raise UnusableUrl
    return match["scheme"] == "https", match["name"] or match["v6"]
