"""The body of a chat completion: https://platform.openai.com/docs/api-reference/chat/create."""

import re
from typing import Any, Final

from app.providers.bodies.parts import fitting_id, parameters
from app.providers.model import ChatMessage, ModelRequest, ToolSpec
from app.providers.provider import Chat

_CALL_ID: Final = re.compile(r"[^\x00-\x1f]{1,40}")
"""OpenAI takes ids of at most 40 characters."""
_MISTRAL_CALL_ID: Final = re.compile(r"[A-Za-z0-9]{9}")


def body(request: ModelRequest) -> dict[str, Any]:
    """Give the body; what is absent in `request` is absent in it."""
    chat = request.route.provider.chat
    sent: dict[str, Any] = {
        "model": request.route.model,
        "messages": [_message(message, chat) for message in request.messages],
        "stream": True,
    }
    if chat is not Chat.MISTRAL:  # it refuses what it does not know, and reports usage without being asked
        sent["stream_options"] = {"include_usage": True}
    if request.tools:
        sent["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            sent["tool_choice"] = _tool_choice(request.tool_choice, chat)
    if request.max_output_tokens is not None:
        # OpenAI's newer models refuse the older name, which is the only one that others know.
        name = "max_completion_tokens" if chat is Chat.OPENAI else "max_tokens"
        sent[name] = request.max_output_tokens
    return sent


def _message(message: ChatMessage, chat: Chat) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        sent["content"] = message.content or None
        sent["tool_calls"] = [
            {
                "id": call_id(call.id, chat),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        sent["tool_call_id"] = call_id(message.tool_call_id, chat)
    if message.name is not None and message.role != "tool":
        sent["name"] = message.name
    return sent


def call_id(id_: str, chat: Chat) -> str:
    """Give the id of a tool call as this wire takes it."""
    if chat is Chat.MISTRAL:
        return fitting_id(id_, _MISTRAL_CALL_ID, 9)
    return fitting_id(id_, _CALL_ID, 40)


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": parameters(tool)}
    return {"type": "function", "function": function}


def _tool_choice(choice: str, chat: Chat) -> str | dict[str, Any]:
    if choice == "required" and chat is Chat.MISTRAL:
        return "any"
    if choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}
