"""The body of generateContent: https://ai.google.dev/api/generate-content and /gemini-api/docs/thought-signatures."""

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from app.providers.bodies.parts import json_object, system_text, talk
from app.providers.model import ChatMessage, ModelRequest, ToolSpec
from app.providers.wires.gemini import SIGNATURE

_MODES: Final[Mapping[str, str]] = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_WANTS_SIGNATURES: Final = re.compile(r"gemini-(?:[3-9]|[1-9]\d)\b")
_NO_SIGNATURE: Final = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What Google's documentation gives for calls that another model has made: these models refuse calls without any."""


def body(request: ModelRequest) -> dict[str, Any]:
    """Give the body; messages of one role that follow one another are one turn."""
    sent: dict[str, Any] = {"contents": _turns(request)}
    if system := system_text(request.messages):
        sent["systemInstruction"] = {"parts": [{"text": system}]}
    if request.tools:
        sent["tools"] = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}]
        if request.tool_choice is not None:
            sent["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice)}
    if request.max_output_tokens is not None:
        sent["generationConfig"] = {"maxOutputTokens": request.max_output_tokens}
    return sent


def _turns(request: ModelRequest) -> list[dict[str, Any]]:
    signed = bool(_WANTS_SIGNATURES.match(request.route.model))
    names: dict[str, str] = {}
    turns: list[dict[str, Any]] = []
    for message in talk(request.messages):
        names |= {call.id: call.name for call in message.tool_calls}
        role = "model" if message.role == "assistant" else "user"
        parts = [_result(message, names)] if message.role == "tool" else _parts(message, signed=signed)
        if not parts:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        else:
            turns.append({"role": role, "parts": parts})
    return turns


def _parts(message: ChatMessage, *, signed: bool) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": message.content}] if message.content else []
    for place, call in enumerate(message.tool_calls):
        id_, _, signature = call.id.partition(SIGNATURE)
        part: dict[str, Any] = {
            "functionCall": {"id": id_, "name": call.name, "args": json_object(call.arguments) or {}}
        }
        # Of parallel calls only the first one is signed.
        if signature or (signed and place == 0):
            part["thoughtSignature"] = signature or _NO_SIGNATURE
        parts.append(part)
    return parts


def _result(message: ChatMessage, names: Mapping[str, str]) -> dict[str, Any]:
    """Give the response to a call: it carries the name of the function, and must be an object."""
    id_ = message.tool_call_id or ""
    said = json_object(message.content)
    response = {"content": message.content} if said is None else said
    name = message.name or names.get(id_, "")
    return {"functionResponse": {"id": id_.partition(SIGNATURE)[0], "name": name, "response": response}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.parameters:
        # `parameters` takes a part of OpenAPI's schemas only, this one JSON Schema.
        declared["parametersJsonSchema"] = tool.parameters
    return declared


def _calling(choice: str) -> dict[str, Any]:
    mode = _MODES.get(choice)
    return {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [choice]}
