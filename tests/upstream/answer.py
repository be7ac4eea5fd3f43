"""What the scripted upstream answers, independent of any wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.events import FinishReason, Usage

_USAGE: Final = Usage(input=11, output=7)


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; `pieces` are the fragments of its JSON arguments, in order."""

    id: str
    name: str
    pieces: Sequence[str] = ("{}",)

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One assistant answer and the way it is written to the socket."""

    texts: Sequence[str] = ("Hello", " world")
    reasoning: Sequence[str] = ()
    tool_calls: Sequence[Call] = ()
    interleaved: bool = False
    """Fragments of parallel calls alternate, on the wires whose provider does that; whole calls come one by one."""
    signature: str = ""
    """Gemini's `thoughtSignature` of the first tool call; kilobytes long in life."""
    usage: Usage | None = _USAGE
    """As the gateway counts: `input` with the cached tokens, `output` with the reasoning. None: nothing is reported."""
    finish: FinishReason | None = None
    """None: `tool_calls` if there are any, else `stop`."""
    head_delay: float = 0.0
    """Seconds before the response head."""
    first_delay: float = 0.0
    """Seconds between the head and the first event."""
    delay: float = 0.0
    """Seconds between events."""
    split: int | None = None
    """Write the body in pieces of so many bytes, whatever they cut."""
    chunked: bool = True
    """Chunked transfer encoding; False: the body ends with the connection."""

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def reason(self) -> FinishReason:
        default = FinishReason.TOOL_CALLS if self.tool_calls else FinishReason.STOP
        return self.finish or default
