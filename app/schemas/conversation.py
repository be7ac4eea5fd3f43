"""Bodies of the conversation routes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.events import RunStatus
from app.schemas.body import TITLE_CHARS

Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=TITLE_CHARS)]


class ConversationTitle(BaseModel):
    """A conversation as a caller may write it: only the title, and whatever else comes is ignored."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    title: Title = ""


class ConversationLine(BaseModel):
    """One conversation in the list."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    updated_at: datetime


class MessageAnswer(BaseModel):
    """One message. The first seven fields are Voyage's own."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    """What a person saw; where an answer failed, its text and then the sentence of the error, as in the stream."""
    text: str = Field(validation_alias="content")
    """What was written, without that sentence."""
    tool_calls: list[Any] | None
    tool_call_id: str | None
    name: str | None
    created_at: datetime
    seq: int
    """Its place in the conversation."""
    parent_id: UUID | None = None
    """The message it follows."""
    status: str
    """`complete` for a user's message, else the status of its run."""
    finish_reason: str | None
    error: dict[str, Any] | None
    """The error object of a run that failed or was interrupted."""
    usage: dict[str, Any] | None
    provider: str | None
    model: str | None
    run_id: UUID | None


class ActiveRun(BaseModel):
    """The run that is writing in a conversation."""

    id: UUID
    status: Literal[RunStatus.QUEUED, RunStatus.RUNNING]
    last_seq: int
    """Number of its newest event."""


class ConversationAnswer(BaseModel):
    """One conversation with its messages, in the order they were written."""

    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime
    messages: list[MessageAnswer]
    active_run: ActiveRun | None
