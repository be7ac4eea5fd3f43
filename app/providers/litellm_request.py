"""A model request in litellm's words: its model name, base URL, messages and tools."""

from collections.abc import Mapping
from typing import Any, Final

from app.providers.model import ChatMessage, ModelRequest, ToolSpec
from app.providers.provider import Route, Wire
from app.providers.transport import USER_AGENT

EXCHANGE_HEADER: Final = "x-gateway-exchange"
"""Names the exchange that a request belongs to; ends in `litellm_bridge`."""
NO_KEY: Final = "no-key-needed"
"""Sent for providers without keys: litellm looks into the environment when it gets none."""

ANTHROPIC_MAX_TOKENS: Final = 32_000
"""This wire wants a limit; litellm would cut the answers of models that it does not know after 4,096 tokens."""

_PREFIXES: Final[Mapping[Wire, str]] = {
    # Under "openai" litellm would send ids that it knows from OpenAI to /responses, whoever serves them.
    Wire.OPENAI_CHAT: "custom_openai",
    Wire.OPENAI_RESPONSES: "openai/responses",
    Wire.ANTHROPIC_MESSAGES: "anthropic",
    Wire.GEMINI: "gemini",
    Wire.OLLAMA: "ollama_chat",
}


def model_name(route: Route) -> str:
    """Give the name that makes litellm speak the route's wire and put `route.model` on it."""
    own = route.provider.litellm_prefix if route.wire is route.provider.wire else ""
    return f"{own or _PREFIXES[route.wire]}/{route.model}"


def api_base(route: Route) -> str:
    """Give the base URL as litellm wants it on this wire; Anthropic's would get a second /v1 otherwise."""
    return f"{route.base_url}/messages" if route.wire is Wire.ANTHROPIC_MESSAGES else route.base_url


def arguments(request: ModelRequest, headers: Mapping[str, str]) -> dict[str, Any]:
    """Give the keyword arguments of `litellm.acompletion`, without client and time limits."""
    route = request.route
    session: dict[str, str] = {}
    if route.provider.session_header and request.session_id is not None:
        session[route.provider.session_header] = request.session_id
    sent: dict[str, Any] = {
        "model": model_name(route),
        "api_base": api_base(route),
        "api_key": request.api_key.reveal() if request.api_key else NO_KEY,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_retries": 0,
        "num_retries": 0,
        "extra_headers": {"User-Agent": USER_AGENT, **route.provider.headers, **session, **headers},
    }
    if request.tools:
        sent["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            sent["tool_choice"] = _tool_choice(request.tool_choice)
    limit = request.max_output_tokens
    if limit is None and route.wire is Wire.ANTHROPIC_MESSAGES:
        limit = ANTHROPIC_MAX_TOKENS
    if limit is not None:
        sent["max_tokens"] = limit
    if route.wire is Wire.OPENAI_RESPONSES:
        sent["store"] = False
    return sent


def _message(message: ChatMessage) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        sent["content"] = message.content or None
        sent["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        sent["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        sent["name"] = message.name
    return sent


def _tool(tool: ToolSpec) -> dict[str, Any]:
    parameters = tool.parameters or {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def _tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}
