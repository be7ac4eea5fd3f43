"""The body of a response: https://platform.openai.com/docs/api-reference/responses/create."""

import re
from collections.abc import Iterator
from typing import Any, Final

from app.providers.bodies.parts import fitting_id, parameters, system_text, talk
from app.providers.model import ChatMessage, ModelRequest, ToolSpec

_CALL_ID: Final = re.compile(r"[^\x00-\x1f]{1,64}")
"""OpenAI takes ids of at most 64 characters."""


def body(request: ModelRequest) -> dict[str, Any]:
    """Give the body; nothing of it is stored at the provider."""
    sent: dict[str, Any] = {
        "model": request.route.model,
        "input": [item for message in talk(request.messages) for item in _items(message)],
        "stream": True,
        "store": False,
    }
    if system := system_text(request.messages):
        sent["instructions"] = system
    if request.tools:
        sent["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            sent["tool_choice"] = _tool_choice(request.tool_choice)
    if request.max_output_tokens is not None:
        sent["max_output_tokens"] = request.max_output_tokens
    return sent


def _items(message: ChatMessage) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {
            "type": "function_call_output",
            "call_id": call_id(message.tool_call_id or ""),
            "output": message.content,
        }
        return
    if message.content or not message.tool_calls:
        yield {"role": message.role, "content": message.content}
    for call in message.tool_calls:
        yield {
            "type": "function_call",
            "call_id": call_id(call.id),
            "name": call.name,
            "arguments": call.arguments,
        }


def call_id(id_: str) -> str:
    """Give the id of a tool call as this wire takes it."""
    return fitting_id(id_, _CALL_ID, 64)


def _tool(tool: ToolSpec) -> dict[str, Any]:
    # Without `strict` it is taken for true, and schemas with optional properties are refused.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": parameters(tool),
        "strict": False,
    }


def _tool_choice(choice: str) -> str | dict[str, Any]:
    return choice if choice in {"auto", "none", "required"} else {"type": "function", "name": choice}
