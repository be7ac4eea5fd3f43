"""The port to tools: what one is, on whose behalf it is called, and what comes of a call.

A source is configured once and lives as long as the process. For each run it gives a session, in which everything
happens as the calling user; the session is closed with the run. Sources know nothing of models, runs or storage.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool as it is offered to a model."""

    name: str
    """As the model calls it; unique among all that one run is offered."""
    description: str
    parameters: Mapping[str, Any]
    """A JSON Schema object; arguments are checked against it before a call."""
    writes: bool = False
    """Whether a call may change something: then it is dispatched once, and never again when its outcome is unknown."""
    mends: bool = False
    """Whether it checks its arguments itself, and mends some that the schema refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCaller:
    """On whose behalf tools are called, in one run."""

    user_id: str
    session: Secret | None = field(default=None, repr=False)
    """The caller's own session at Voyage."""
    collection_id: str | None = None
    """The trip that the conversation is about, as the request named it; nobody has checked it."""
    place: str | None = field(default=None, repr=False)
    """Where that trip goes first, as the request named it."""
    said: Sequence[str] = field(default=(), repr=False)
    """What the person has written last, the newest first: the current message and up to three before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool answered."""

    value: Any
    """JSON: whole, as the interface shows it; what of it a model is told is the caller's business."""
    failed: bool = False
    """Whether the tool says that it did not do what it was asked; `value` then says why."""
    retryable: bool = True
    """Whether the model may sensibly try the same again; means something only with `failed`."""


class ToolUnavailable(Exception):
    """The source cannot be reached, or does not let the caller in: nothing was done."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        """Say what is wrong and what to do, without secrets or user text; `status` is HTTP's, where there was one."""
        super().__init__(message)
        self.status = status


class OutcomeUnknown(Exception):
    """The call was sent, and nobody knows whether it was carried out: it timed out, or the connection broke."""


class ToolSession(Protocol):
    """The tools of one source, as one caller, in one run. Calls may be made at the same time."""

    async def list(self) -> Sequence[Tool]:
        """Give the tools that the caller may use; raises `ToolUnavailable`."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any], *, seconds: float) -> ToolResult:
        """Call a tool of the list with arguments that fit its schema, for at most `seconds`.

        A failure that the tool itself reports is a result. Raises `ToolUnavailable` where nothing was done, and
        `OutcomeUnknown` where that is not known; a cancelled call reaches the source as well as it can.
        """
        ...


class ToolSource(Protocol):
    """Where tools come from."""

    @property
    def name(self) -> str:
        """What the operator calls it, for capabilities, logs and messages."""
        ...

    def open(self, caller: ToolCaller) -> AbstractAsyncContextManager[ToolSession]:
        """Give the session of one run; cheap, as what costs is done at the first `list` or `call`.

        Leaving the block ends everything at the source, within a bounded time.
        """
        ...
