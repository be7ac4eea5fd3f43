"""A secret in flight: a type, so that printing, logging or dumping it by accident shows nothing."""

import hmac
from typing import Final, Never, final

from typing_extensions import override

_HIDDEN: Final = "[secret]"


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
