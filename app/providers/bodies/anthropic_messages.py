"""The body of a message: https://docs.anthropic.com/en/api/messages."""

import re
from collections.abc import Mapping
from typing import Any, Final

from app.providers.bodies.parts import fitting_id, json_object, parameters, system_text, talk
from app.providers.model import ChatMessage, ModelRequest, ToolSpec

MAX_TOKENS: Final = 32_000
"""The wire wants a limit."""
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CHOICES: Final[Mapping[str, str]] = {"auto": "auto", "none": "none", "required": "any"}
_OPENING: Final = {"role": "user", "content": [{"type": "text", "text": "Please continue."}]}
"""A conversation that begins with the assistant's words is refused."""


def body(request: ModelRequest) -> dict[str, Any]:
    """Give the body; messages of one role that follow one another are one turn."""
    limit = request.max_output_tokens
    sent: dict[str, Any] = {
        "model": request.route.model,
        "max_tokens": MAX_TOKENS if limit is None else limit,
        "messages": _turns(request),
        "stream": True,
    }
    if system := system_text(request.messages):
        sent["system"] = system
    if request.tools:
        sent["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            choice = _CHOICES.get(request.tool_choice)
            sent["tool_choice"] = {"type": choice} if choice else {"type": "tool", "name": request.tool_choice}
    return sent


def _turns(request: ModelRequest) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in talk(request.messages):
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns if turns and turns[0]["role"] == "user" else [_OPENING, *turns]


def _blocks(message: ChatMessage) -> list[dict[str, Any]]:
    """Give the blocks of one message; texts of nothing but blanks are refused."""
    if message.role == "tool":
        id_ = call_id(message.tool_call_id or "")
        return [{"type": "tool_result", "tool_use_id": id_, "content": message.content}]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content.strip() else []
    blocks += [
        {"type": "tool_use", "id": call_id(call.id), "name": call.name, "input": json_object(call.arguments) or {}}
        for call in message.tool_calls
    ]
    return blocks


def call_id(id_: str) -> str:
    """Give the id of a tool call as this wire takes it."""
    return fitting_id(id_, _CALL_ID, 64)


def _tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "input_schema": parameters(tool)}
