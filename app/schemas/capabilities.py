"""Bodies of what the chat API says about itself."""

from pydantic import BaseModel


class ToolAnswer(BaseModel):
    """A tool that the gateway offers to every model."""

    name: str
    description: str


class CapabilitiesAnswer(BaseModel):
    """What the assistant can do besides talking."""

    tools: list[ToolAnswer]


class ChatRootAnswer(BaseModel):
    """Where the chat API begins: paths on this host."""

    conversations: str
    providers: str
