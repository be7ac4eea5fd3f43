"""What a run can say: the events of its journal and of the stream.

The legacy keys of the Voyage chat (`content`, `tool_calls`, `error`, `error_category`) keep their legacy meaning,
so its reader takes the same frames as everybody else; see `docs/stream.md` for the wire.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from app.errors import ErrorBody
from app.tool_events import ApprovalAwaited, ToolFinished, ToolsAwaited, ToolsMissing, ToolStarted


class RunStatus(StrEnum):
    """Where a run stands; the first four are not terminal."""

    QUEUED = "queued"
    RUNNING = "running"
    AWAITING_TOOLS = "awaiting_tools"
    """How a running one is told that waits for its caller's tools; stored as `RUNNING`."""
    AWAITING_APPROVAL = "awaiting_approval"
    """The same, where the caller is to say whether calls may be made."""
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def terminal(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.value not in {"queued", "running", "awaiting_tools", "awaiting_approval"}


class FinishReason(StrEnum):
    """Why the model stopped, in OpenAI's words."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one run as the provider counted them (`estimated` when it did not)."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False

    def plus(self, other: "Usage") -> "Usage":
        """Give both together."""
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated or other.estimated,
        )

    def as_dict(self) -> dict[str, Any]:
        """Give the wire form."""
        return {
            "input": self.input,
            "output": self.output,
            "cached": self.cached,
            "reasoning": self.reasoning,
            "total": self.input + self.output,
            "estimated": self.estimated,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQueued:
    """The message is stored and waits for the answer before it to end."""

    type: ClassVar = "run.queued"
    conversation_id: str
    user_message_id: str
    message_id: str

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        return {
            "conversation_id": self.conversation_id,
            "user_message_id": self.user_message_id,
            "message_id": self.message_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTruncated:
    """The model is not sent the oldest turns, as they do not fit into its context window."""

    type: ClassVar = "context.truncated"
    left_out: int
    """Messages."""

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        return {"left_out": self.left_out}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The message is stored and the run begins; sent before the provider answers."""

    type: ClassVar = "run.started"
    conversation_id: str
    user_message_id: str
    message_id: str
    provider: str
    model: str

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        return {
            "conversation_id": self.conversation_id,
            "user_message_id": self.user_message_id,
            "message_id": self.message_id,
            "provider": self.provider,
            "model": self.model,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetrying:
    """The provider failed before its first token; it is asked again, or another one is."""

    type: ClassVar = "run.retrying"
    attempt: int
    delay_s: float
    reason: str
    provider: str | None = None
    model: str | None = None
    """Who is asked now, where that is another one than before; both or neither."""

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire; `reason` is the code of the error that is being retried."""
        data: dict[str, Any] = {"attempt": self.attempt, "delay_s": self.delay_s, "reason": self.reason}
        return data if self.provider is None else data | {"provider": self.provider, "model": self.model}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelta:
    """Text to append."""

    type: ClassVar = "message.delta"
    message_id: str
    content: str

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        return {"message_id": self.message_id, "content": self.content}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """The model's reasoning, to show apart from the answer."""

    type: ClassVar = "reasoning.delta"
    message_id: str
    reasoning: str

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        return {"message_id": self.message_id, "reasoning": self.reasoning}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of one tool call; `index` says which of several parallel calls it belongs to."""

    type: ClassVar = "tool_call.delta"
    message_id: str
    index: int
    id: str | None
    name: str | None
    arguments: str

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire: OpenAI's delta list, with the index that Voyage drops."""
        call = {
            "index": self.index,
            "id": self.id,
            "type": "function" if self.id else None,
            "function": {"name": self.name or "", "arguments": self.arguments},
        }
        return {"message_id": self.message_id, "tool_calls": [call]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The one terminal event: `run.completed`, `run.incomplete`, `run.failed`, `run.cancelled`, `run.interrupted`."""

    status: RunStatus
    message_id: str
    earlier: tuple[str, ...] = ()
    """The messages of the steps before, which called tools."""
    provider: str
    model: str
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    ttft_ms: int | None = None
    latency_ms: int | None = None
    error: ErrorBody | None = None
    """Present for failed and interrupted runs; a cancelled one did what it was told."""

    @property
    def type(self) -> str:
        """Name the event after the status."""
        return f"run.{self.status.value}"

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        ended = {
            "status": self.status.value,
            "message_ids": [*self.earlier, self.message_id],
            "provider": self.provider,
            "model": self.model,
            "finish_reason": self.finish_reason.value if self.finish_reason else None,
            "usage": self.usage.as_dict() if self.usage else None,
            "ttft_ms": self.ttft_ms,
            "latency_ms": self.latency_ms,
        }
        return ended | (self.error.as_dict() if self.error else {})


Event = (
    RunQueued
    | RunStarted
    | RunRetrying
    | ContextTruncated
    | MessageDelta
    | ReasoningDelta
    | ToolCallDelta
    | ToolsMissing
    | ToolsAwaited
    | ApprovalAwaited
    | ToolStarted
    | ToolFinished
    | RunEnded
)
