"""Bodies of the health routes."""

from typing import Literal

from pydantic import BaseModel

CheckStatus = Literal["ok", "loading", "degraded", "failed"]


class LiveAnswer(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class ReadyAnswer(BaseModel):
    """Whether requests can be served; `degraded` serves, with the named part worse than it should be."""

    status: Literal["ready", "degraded", "not_ready"]
    checks: dict[str, CheckStatus]
    unreadable_credentials: int | None
    """Stored keys of all users whose master key is not configured; None when the database cannot be asked."""
