"""Why a public service gave no usable answer, in words that name neither addresses nor what was asked."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, final

Reason = Literal[
    "refused",
    "no_address",
    "unreachable",
    "tls",
    "timeout",
    "closed",
    "not_http",
    "redirected",
    "throttled",
    "blocked",
    "too_large",
    "not_json",
    "unexpected_answer",
    "overloaded",
    "crowded",
]
_AWAY: Final = "could not be reached"
_ODD: Final = "gave an answer that cannot be read"
_SAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "refused": _AWAY,
        "no_address": _AWAY,
        "unreachable": _AWAY,
        "tls": "could not be reached safely",
        "timeout": "did not answer in time",
        "closed": "broke the connection off",
        "not_http": _ODD,
        "redirected": "is not where the gateway looks for it",
        "throttled": "has had too many requests and wants to be left alone for a while",
        "blocked": "does not serve this gateway",
        "too_large": "sent more than the gateway reads",
        "not_json": _ODD,
        "unexpected_answer": _ODD,
        "overloaded": "is overloaded; a smaller area or a later try may help",
        "crowded": "is being asked by many people at once; try again in a moment",
    }
)
_LASTING: Final = frozenset({"no_address", "tls", "redirected", "throttled", "blocked"})
"""What the same question in the same turn would meet again."""
_SERVER_ERROR: Final = 500


@final
class PublicFailure(Exception):
    """A service gave no usable answer; the text is for a model and a person."""

    def __init__(self, service: str, reason: Reason | int) -> None:
        """Take the service's name as people read it, and a reason or the status where that is it."""
        known = isinstance(reason, str)
        self.reason: str = reason if known else f"status_{reason}"
        self.retryable = reason not in _LASTING if known else reason >= _SERVER_ERROR
        super().__init__(f"{service} {_SAYS[reason] if known else f'answered with HTTP status {reason}'}.")
