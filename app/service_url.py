"""The address of a service as an operator writes it."""

import re
from typing import Final
from urllib.parse import urlsplit

_BASE_URL: Final = re.compile(
    r"https?://[A-Za-z0-9._~%-]+(:\d{1,5})?(/[A-Za-z0-9._~%/-]*)?|https?://\[[0-9a-fA-F:.]+\](:\d{1,5})?/?"
)


def service_url(value: str, example: str) -> str:
    """Give the address without a slash at its end; raises `ValueError` that shows the example and never the value."""
    if not _BASE_URL.fullmatch(value):
        message = f"must be like {example}, without user, query or fragment"
        raise ValueError(message)
    if not _has_possible_port(value):
        message = "its port must be 1 to 65535"
        raise ValueError(message)
    return value.rstrip("/")


def _has_possible_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False
