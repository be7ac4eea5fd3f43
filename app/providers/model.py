"""The port between a run and whoever calls the model: one request in, a stream of deltas out."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from app.events import FinishReason, Usage
from app.providers.provider import Deadlines, Route, Wire
from app.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A complete tool call as the model made it; `arguments` is its JSON text, verbatim."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message of the history that a model is sent."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool that is offered to the model; `parameters` is a JSON Schema object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])


def _unheard(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One model call. What is absent here is absent on the wire."""

    route: Route
    api_key: Secret | None
    """None only for a provider that needs no key; no other key is ever looked for."""
    own_key: bool = True
    """Whether the key is the caller's own: what the provider says about an operator's account is not for callers."""
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | None = None
    """`auto`, `none`, `required` or the name of a tool; sent only together with tools."""
    max_output_tokens: int | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)
    session_id: str | None = None
    """The conversation's id, for a provider with a `session_header`."""
    on_wire: Callable[[Wire], None] = _unheard
    """Told each wire that is tried, before it is; the last one is the one that answers."""
    on_answering: Callable[[], None] = _unheard
    """Told once the first useful delta is here."""
    on_waited: Callable[[float], None] = _unheard
    """Told at the end of each wire's call how many seconds of it were waited for the provider."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text to append; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningTextDelta:
    """Reasoning to append; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPiece:
    """A piece of the tool call number `index`; `id` and `name` come with its first piece only."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Tokens as the provider counted them; the last report of a stream stands."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finish:
    """The provider's own end of the answer, seen on the wire."""

    reason: FinishReason


Delta = TextDelta | ReasoningTextDelta | ToolCallPiece | UsageReport | Finish


class ModelClient(Protocol):
    """Calls a model.

    `async with client.stream(request) as deltas` gives an iterator that either yields exactly one `Finish` and ends,
    or raises one `GatewayError`; an end without the provider's own terminal marker is `StreamInterrupted`, never a
    quiet end. Leaving the block closes the upstream's socket, whatever the reason.
    """

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Open one call; nothing is sent before the block is entered."""
        ...
