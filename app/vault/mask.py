"""What a person sees of a stored key."""

from typing import Final

from app.secret import Secret

_STARS: Final = "*" * 8
_SHOWN: Final = 3
_LONG_ENOUGH: Final = 20


def mask(secret: Secret) -> str:
    """Give the first and last three characters around a fixed number of stars, so the length stays unknown.

    A key shorter than 20 characters shows nothing: six of its characters would be too much of it.
    """
    value = secret.reveal()
    if len(value) < _LONG_ENOUGH:
        return _STARS
    return f"{value[:_SHOWN]}{_STARS}{value[-_SHOWN:]}"
