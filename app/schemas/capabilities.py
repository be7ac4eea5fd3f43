"""Bodies of what the chat API says about itself."""

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


class ChatRootAnswer(BaseModel):
    """Where the chat API begins: paths on this host."""

    conversations: str
    providers: str
