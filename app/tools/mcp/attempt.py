"""What became of the HTTP requests of one thing that was asked: the client itself does not tell."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

_FIRST_REFUSAL: Final = 300


@dataclass(slots=True, kw_only=True)
class Attempt:
    """Filled in by `Door`, whichever task of the client sends the request."""

    whole: bool = False
    """Whether the latest answer counts; else the one to the first request, as the client may send more on top."""
    sent: bool = False
    status: int | None = None
    """HTTP's, once there is an answer."""

    @property
    def refused(self) -> int | None:
        """The status, if it was no success."""
        return self.status if self.status is not None and self.status >= _FIRST_REFUSAL else None


ATTEMPT: Final[ContextVar[Attempt | None]] = ContextVar("mcp_attempt", default=None)
"""The client's own tasks have it too: they send in the context of who asked."""
