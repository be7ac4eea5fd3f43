"""What a run can say of its tools: a part of `app.events`."""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsMissing:
    """A source of tools gave no list: the run goes on without them."""

    type: ClassVar = "tools.unavailable"
    source: str
    reason: str

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        return {"source": self.source, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsAwaited:
    """The caller is to carry out these calls, and to send their results; the run waits for them."""

    type: ClassVar = "run.awaiting_tools"
    message_id: str
    calls: tuple[dict[str, str], ...]
    """`tool_call_id`, `name` and `arguments`, which are JSON text."""
    expires_in_s: float

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        return {"message_id": self.message_id, "awaited": list(self.calls), "expires_in_s": self.expires_in_s}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAwaited:
    """The caller is to say whether these calls may be made; the run waits for that."""

    type: ClassVar = "run.awaiting_approval"
    message_id: str
    calls: tuple[dict[str, str], ...]
    """As those of `ToolsAwaited`."""
    expires_in_s: float

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        return {"message_id": self.message_id, "awaited": list(self.calls), "expires_in_s": self.expires_in_s}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A tool is being called; its result follows under the same `tool_call_id`."""

    type: ClassVar = "tool.started"
    message_id: str
    tool_call_id: str
    index: int
    name: str
    writes: bool

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire; `index` is that of the `tool_call.delta`s, whose id may be another or none."""
        return {
            "message_id": self.message_id,
            "tool_call_id": self.tool_call_id,
            "index": self.index,
            "name": self.name,
            "writes": self.writes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """What came of a call; Voyage's reader draws it from `tool_result`."""

    type: ClassVar = "tool.result"
    message_id: str
    tool_call_id: str
    name: str
    outcome: str
    """`completed`, `failed`, or `unknown` where nobody knows whether it was carried out."""
    result: Any
    """JSON."""

    def data(self) -> dict[str, Any]:
        """Give the fields of the wire."""
        drawn = {"tool_call_id": self.tool_call_id, "name": self.name, "result": self.result}
        return {"message_id": self.message_id, "outcome": self.outcome, "tool_result": drawn}
