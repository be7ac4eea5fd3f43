"""Body of the message that begins a run."""

import re
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, WithJsonSchema, field_validator

from app.schemas.body import PROVIDER_CHARS, Body

MAX_TOOLS: Final = 64
_MODES: Final = ("auto", "none", "required")
_TOOL_NAME: Final = r"^[A-Za-z0-9_-]{1,64}$"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Provider = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=PROVIDER_CHARS)]
Model = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Date = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class ToolFunction(Body):
    """What a tool is called and takes; `parameters` is a JSON Schema object."""

    ignored: ClassVar = frozenset({"strict"})

    name: Annotated[str, StringConstraints(pattern=_TOOL_NAME)]
    description: Annotated[str, StringConstraints(max_length=10_000)] = ""
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])

    @field_validator("name")
    @classmethod
    def _not_a_mode(cls, name: str) -> str:
        if name in _MODES:
            message = f"A tool cannot be called {name}: that is a value of tool_choice."
            raise ValueError(message)
        return name


class Tool(Body):
    """A tool in OpenAI's form."""

    type: Literal["function"] = "function"
    function: ToolFunction


def _choice(given: object) -> object:
    """Give OpenAI's object form as the bare name; a bare name is no form of OpenAI's, so it is not taken."""
    match given:
        case None | "auto" | "none" | "required":
            return given
        case {"type": "function", "function": {"name": str() as name}} if name not in _MODES:
            return name
        case _:
            message = 'This must be "auto", "none", "required" or {"type": "function", "function": {"name": ...}}.'
            raise ValueError(message)


_CHOICE_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "string", "enum": list(_MODES)},
        {
            "type": "object",
            "properties": {
                "type": {"const": "function"},
                "function": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            },
            "required": ["type", "function"],
        },
        {"type": "null"},
    ]
}
ToolChoice = Annotated[str | None, BeforeValidator(_choice), WithJsonSchema(_CHOICE_SCHEMA)]


KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
"""What a caller may call a request."""


class RegenerateBody(Body):
    """Where a message is to be answered, and how; a blank optional text counts as absent."""

    provider: Provider | None = None
    """Absent: the caller's preferred one, else the operator's choice."""
    model: Model | None = None
    """Absent: the caller's preferred one for that provider, else the operator's choice, else the provider's default."""
    collection_id: Annotated[UUID, Field(strict=False)] | None = None
    """The trip; one that the caller may not see at Voyage counts as absent."""
    collection_name: Line | None = None
    """Told to the model as it is, as are the dates and the destination."""
    start_date: Date | None = None
    end_date: Date | None = None
    """Told only together with `start_date`."""
    destination: Line | None = None
    """One or more stops, parted by `;`."""
    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice = None
    tool_results: Literal["await", "end"] = "await"
    """When the model calls one of `tools`: wait for `POST /api/chat/runs/{id}/tool_results/`, or end with the calls."""
    tool_approval: Literal["never", "writes"] | None = None
    """`writes`: each call of the gateway's tools that may change something waits until it is approved by
    `POST /api/chat/runs/{id}/tool_results/`. Absent: the operator's choice, which `never` does not lower."""
    on_conflict: Literal["reject", "enqueue", "interrupt"] = "reject"
    """While another answer is being written in the conversation: be refused, wait for it, or stop it."""
    client_message_id: Annotated[str, StringConstraints(pattern=KEY)] | None = None
    """The same as the header `Idempotency-Key`."""

    @field_validator(
        "provider", "model", "collection_id", "collection_name", "start_date", "end_date", "destination", mode="before"
    )
    @classmethod
    def _blank_is_absent(cls, given: object) -> object:
        return None if isinstance(given, str) and not given.strip() else given

    @field_validator("tools")
    @classmethod
    def _distinct(cls, tools: list[Tool] | None) -> list[Tool] | None:
        names = [tool.function.name for tool in tools or ()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            message = f"The tool {twice} is there twice."
            raise ValueError(message)
        return tools

    @field_validator("tool_choice")
    @classmethod
    def _exists(cls, choice: str | None, info: ValidationInfo) -> str | None:
        tools: list[Tool] = info.data.get("tools") or []
        names = {tool.function.name for tool in tools}
        if choice is None or choice in names or choice in (_MODES if names else ("auto", "none")):
            return choice
        message = "This asks for a tool that is not in tools."
        raise ValueError(message)


class EditBody(RegenerateBody):
    """What comes in the place of a user's message."""

    message: Text


class SendMessageBody(EditBody):
    """A message and where it is to be answered."""

    parent_id: Annotated[UUID, Field(strict=False)] | None = None
    """The answer it follows, by the id of any of its messages; absent: the newest one. Another one goes on from its
    end, on a branch of its own."""

    @field_validator("parent_id", mode="before")
    @classmethod
    def _blank_parent_is_absent(cls, given: object) -> object:
        return None if isinstance(given, str) and not given.strip() else given
