"""Why Voyage gave no usable answer."""

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
    "too_large",
    "not_json",
    "unexpected_answer",
    "crowded",
]
"""Why there is no answer, but for a status of Voyage's own; docs/voyage.md says what to do about each."""
WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 60.0
"""Voyage may say a day, when a budget is spent; people try again before that."""


@final
class VoyageAway(Exception):
    """Voyage gave no usable answer; its text is the reason and never has the session or the address."""

    def __init__(self, reason: Reason | int, *, retry_after_s: float | None = None, sent: bool = False) -> None:
        """Take a reason, or Voyage's status where that is it, and how long to leave it alone, 1 to 3600 seconds.

        `sent` is for a change that Voyage may have made although it did not say so.
        """
        self.sent = sent
        self.reason: str = f"status_{reason}" if isinstance(reason, int) else reason
        super().__init__(self.reason)
        self.retry_after_s = retry_after_s

    def wait_s(self) -> float:
        """Give how many seconds a caller shall wait: `WAIT_S` where Voyage does not say, `LONGEST_WAIT_S` at most."""
        return WAIT_S if self.retry_after_s is None else min(self.retry_after_s, LONGEST_WAIT_S)
