"""What of a request is said differently on its wire: for the receipt of a run. Names and numbers, never a text.

Follows `bodies/` for our own lane and `litellm_request` for litellm's, which does what its own code says beyond that.
"""

from collections.abc import Iterator
from typing import Any, Final

from app.providers.bodies import anthropic_messages, openai_chat, openai_responses
from app.providers.litellm_request import ANTHROPIC_MAX_TOKENS
from app.providers.model import ModelRequest
from app.providers.provider import Chat, Lane, Wire

_SYSTEM: Final = {
    Wire.OPENAI_RESPONSES: "instructions",
    Wire.ANTHROPIC_MESSAGES: "system",
    Wire.GEMINI: "systemInstruction",
}


def adaptations(request: ModelRequest, wire: Wire) -> list[dict[str, Any]]:
    """Give each as `change` (added, renamed, replaced, dropped, translated), `name`, and `to` or `value` or `count`."""
    return [*_limit(request, wire), *_always(request, wire), *_messages(request, wire), *_tools(request, wire)]


def _limit(request: ModelRequest, wire: Wire) -> Iterator[dict[str, Any]]:
    asked = request.max_output_tokens is not None
    native = request.route.lane is Lane.NATIVE
    match wire:
        case Wire.ANTHROPIC_MESSAGES if not asked:
            value = anthropic_messages.MAX_TOKENS if native else ANTHROPIC_MAX_TOKENS
            yield {"change": "added", "name": "max_tokens", "value": value}
        case Wire.OPENAI_RESPONSES if asked:
            yield _renamed("max_tokens", "max_output_tokens")
        case Wire.GEMINI if asked:
            yield _renamed("max_tokens", "generationConfig.maxOutputTokens")
        case Wire.OPENAI_CHAT if asked and native and request.route.provider.chat is Chat.OPENAI:
            yield _renamed("max_tokens", "max_completion_tokens")
        case _:
            pass


def _always(request: ModelRequest, wire: Wire) -> Iterator[dict[str, Any]]:
    """Give what the wire, or the lane, is sent with every request."""
    if request.route.lane is Lane.LITELLM:
        yield {"change": "translated", "name": "request", "to": "litellm"}
    if wire is Wire.OPENAI_RESPONSES:
        yield {"change": "added", "name": "store", "value": False}
    mistral = request.route.lane is Lane.NATIVE and request.route.provider.chat is Chat.MISTRAL
    if wire is Wire.OPENAI_CHAT and not mistral:
        yield {"change": "added", "name": "stream_options.include_usage", "value": True}


def _messages(request: ModelRequest, wire: Wire) -> Iterator[dict[str, Any]]:
    if wire in _SYSTEM and any(message.role == "system" and message.content for message in request.messages):
        yield _renamed("messages[system]", _SYSTEM[wire])
    if request.route.lane is not Lane.NATIVE:
        return
    changed = sum(1 for id_ in _call_ids(request) if not _fits(id_, request, wire))
    if changed:
        yield {"change": "replaced", "name": "tool_call_id", "count": changed}


def _tools(request: ModelRequest, wire: Wire) -> Iterator[dict[str, Any]]:
    if not request.tools:
        return
    if request.route.lane is Lane.NATIVE and wire is Wire.OPENAI_RESPONSES:
        yield {"change": "added", "name": "tools.strict", "value": False}
    mistral = wire is Wire.OPENAI_CHAT and request.route.provider.chat is Chat.MISTRAL
    if request.tool_choice == "required" and (wire in {Wire.ANTHROPIC_MESSAGES, Wire.GEMINI} or mistral):
        yield {"change": "replaced", "name": "tool_choice", "value": "any"}


def _call_ids(request: ModelRequest) -> set[str]:
    return {call.id for message in request.messages for call in message.tool_calls}


def _fits(id_: str, request: ModelRequest, wire: Wire) -> bool:
    match wire:
        case Wire.OPENAI_CHAT:
            return openai_chat.call_id(id_, request.route.provider.chat) == id_
        case Wire.OPENAI_RESPONSES:
            return openai_responses.call_id(id_) == id_
        case Wire.ANTHROPIC_MESSAGES:
            return anthropic_messages.call_id(id_) == id_
        case _:
            return True


def _renamed(name: str, to: str) -> dict[str, Any]:
    return {"change": "renamed", "name": name, "to": to}
