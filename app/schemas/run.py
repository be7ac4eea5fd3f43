"""Bodies of the run routes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.events import RunStatus


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
    """The model calls it took."""
    error: dict[str, Any] | None
    ttft_ms: int | None
    latency_ms: int | None
    created_at: datetime
    finished_at: datetime | None
    last_seq: int | None
    """Number of its newest event."""
    cancelling: bool = False
    """Whether somebody has asked to stop it and it has not ended yet."""


class CancelAnswer(BaseModel):
    """What became of the wish to stop: `cancelling`, or the status of a run that is over."""

    status: str
