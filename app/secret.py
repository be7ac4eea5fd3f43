"""A secret in flight: a type, so that printing, logging or dumping it by accident shows nothing."""

import hmac
import re
from typing import Final, Never, final

from typing_extensions import override

API_KEY_CHARS: Final = range(1, 513)
"""How long a provider key may be; one for a server of one's own is often a single word that stands for none."""
SERVICE_PREFIX: Final = "vgw_"
"""How every service token begins, and no other one: a request's token says by it where it is looked up."""
SECRET_CHARS: Final = 8
"""Shorter ones are no secrets: taking them out of texts would take ordinary words out."""
_HIDDEN: Final = "[secret]"
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


def api_key_complaint(key: str) -> str:
    """Say why `key`, without blanks around it, cannot be a provider key, without quoting it; "" where it can."""
    if not _VISIBLE.fullmatch(key):
        return "A key has only visible ASCII characters and no spaces or line breaks. Copy it again."
    if len(key) not in API_KEY_CHARS:
        return f"A key has {API_KEY_CHARS.start} to {API_KEY_CHARS.stop - 1} characters. Copy it again, whole."
    return ""


@final
class Secret:
    """One opened secret (a provider key, a master key as text).

    Every path that turns an object into text shows a placeholder; only `reveal` gives the value. Pickling and
    copying raise `TypeError`, because both are how values end up in caches and crash reports.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Wrap `value`; an empty one raises `ValueError`, as an empty key makes libraries look for another."""
        if not value:
            message = "a secret must not be empty"
            raise ValueError(message)
        self._value = value

    def reveal(self) -> str:
        """Give the value. Call it last, at the wire or at the cipher."""
        return self._value

    @override
    def __repr__(self) -> str:
        return _HIDDEN

    @override
    def __str__(self) -> str:
        return _HIDDEN

    @override
    def __format__(self, format_spec: str) -> str:
        return _HIDDEN

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # a hash would be a guessable fingerprint

    @override
    def __reduce__(self) -> Never:
        message = "a secret cannot be pickled or copied"
        raise TypeError(message)
