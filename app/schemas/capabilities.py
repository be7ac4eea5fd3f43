"""Bodies of what the chat API says about itself."""

from typing import Literal

from pydantic import BaseModel


class ToolAnswer(BaseModel):
    """A tool that the gateway offers to every model."""

    name: str
    description: str
    source: str
    writes: bool
    """Whether a call may change something."""


class ToolSourceAnswer(BaseModel):
    """Where tools come from."""

    name: str
    available: bool
    reason: str | None
    """Why there are none of its tools for this caller."""


class CapabilitiesAnswer(BaseModel):
    """What the assistant can do besides talking."""

    tools: list[ToolAnswer]
    sources: list[ToolSourceAnswer]
    tool_approval: Literal["never", "writes"]
    """Which calls wait for approval in every answer; a message may ask for more."""


class ChatRootAnswer(BaseModel):
    """Where the chat API begins: paths on this host."""

    conversations: str
    providers: str
