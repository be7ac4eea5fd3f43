"""Links of strangers, before a person may click on them."""

import re
from typing import Final
from urllib.parse import urlsplit

MAX_LINK_CHARS: Final = 2000
_VISIBLE: Final = re.compile(r"[^\s\x00-\x20\x7f\"<>\\^`{|}]+")
_BARE_HOST: Final = re.compile(r"(www\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(/.*)?")


def web_link(value: object) -> str | None:
    """Give an http or https link, also where only its scheme is missing; None for everything else.

    One with a user name in it is none: `https://bank.example@evil.example` is read wrongly by people.
    """
    text = value.strip() if isinstance(value, str) and len(value) <= MAX_LINK_CHARS else ""
    if _BARE_HOST.fullmatch(text):
        text = f"https://{text}"
    if not _VISIBLE.fullmatch(text) or not text.isprintable():
        return None
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - asking for it is what finds an impossible one
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return None
    return text
