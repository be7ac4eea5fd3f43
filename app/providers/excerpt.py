"""A short, harmless piece of what an upstream said: for `upstream_message` and for nothing else."""

import re
from typing import Final

from app.errors import UPSTREAM_EXCERPT_LIMIT
from app.providers.key_echo import KeyEcho
from app.secret import Secret

_READ_LIMIT: Final = 4096
"""Characters looked at; a longer text is cut before any pattern runs over it."""

_MARKUP: Final = re.compile(r"<[^<>]{0,400}>")
_URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://\S+", re.IGNORECASE)
_HOST: Final = re.compile(
    r"\b(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[a-z0-9-]{1,63}\.){1,8}(?:com|net|org|io|ai|dev|corp|local|internal|lan|cloud|app))"
    r"(?::\d{1,5})?\b",
    re.IGNORECASE,
)
_KEY: Final = re.compile(
    r"\b(?:bearer\s+\S+|(?:sk|pk|gsk|xai|key|api|AIza|hf|nvapi|pplx|fw|r8|vgw)[-_]?[A-Za-z0-9*_-]{6,}|[A-Za-z0-9_-]{32,})",
    re.IGNORECASE,
)
_HIDDEN: Final = "[…]"


def excerpt(text: str, key: Secret | None) -> str | None:
    """Give at most `UPSTREAM_EXCERPT_LIMIT` characters of `text` on one line, or None when nothing is left.

    Markup, URLs, host names and whatever looks like a key are cut out, and `key` itself in each form that an
    upstream could echo it in.
    """
    short = KeyEcho(key).hide(text[:_READ_LIMIT], _HIDDEN, cut=len(text) > _READ_LIMIT)
    if "<html" in short.lower() or "<!doctype" in short.lower():
        return None
    for pattern in (_MARKUP, _URL, _KEY, _HOST):
        short = pattern.sub(_HIDDEN, short)
    printable = "".join(letter if letter.isprintable() else " " for letter in short)
    return " ".join(printable.split())[:UPSTREAM_EXCERPT_LIMIT].strip() or None
