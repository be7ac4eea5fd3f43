"""Bodies of the run routes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.events import RunStatus


class RouteAnswer(BaseModel):
    """Who was asked last, and how."""

    provider: str
    model: str
    lane: str | None
    """`native`, or `litellm`."""
    wire: str | None
    """The protocol; None until the call is made."""
    origin: str | None
    """Scheme, host and port; None for an address of the operator's or of a user's own."""
    adaptations: list[Any]
    """What was said differently on this wire: see `docs/receipt.md`."""


class AwaitedCallAnswer(BaseModel):
    """A call for which something is to be sent to `POST /api/chat/runs/{id}/tool_results/`."""

    tool_call_id: str
    name: str
    needs: Literal["result", "approval"]


class RunAnswer(BaseModel):
    """One run; times in milliseconds."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    conversation_id: UUID
    message_id: UUID
    """The assistant's message that it writes."""
    status: RunStatus
    provider: str
    model: str
    finish_reason: str | None
    usage: dict[str, Any] | None
    attempts: list[Any] | None
    """The model calls it took: see `docs/receipt.md`."""
    route: RouteAnswer | None = None
    """None before the first call is noted."""
    overhead_ms: int | None = None
    """Of `latency_ms`, what was neither waited for the provider nor paused before another call."""
    error: dict[str, Any] | None
    ttft_ms: int | None
    latency_ms: int | None
    created_at: datetime
    finished_at: datetime | None
    last_seq: int | None
    """Number of its newest event."""
    awaited: list[AwaitedCallAnswer] = []
    """The calls that wait for the caller, while the status is `awaiting_tools` or `awaiting_approval`."""
    cancelling: bool = False
    """Whether somebody has asked to stop it and it has not ended yet."""


class CancelAnswer(BaseModel):
    """What became of the wish to stop: `cancelling`, or the status of a run that is over."""

    status: str
