"""What an upstream was asked, in one form for all wires: a text for each fact, so that two requests can be compared."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from app.providers.provider import Wire
from tests.providers.differential.compared import Fields, parsed
from tests.upstream import Recorded

Item = tuple[str, str, Any]
"""(role, kind, what): one text, call or result of the history. How they lie together in turns says nothing."""


def asked(recorded: Recorded) -> Fields:
    """Give system, history, tools, choice and limit, and under its own name whatever else the body holds."""
    wire = recorded.wire or Wire.OPENAI_CHAT
    body = _renamed(recorded.json_object) if wire is Wire.GEMINI else dict(recorded.json_object)
    fields = _FORMS[wire](body)
    rest = {name: value for name, value in _leaves(body) if value is not None}
    offered = {
        f"tool {name}: {part}": value
        for name, *described in fields.pop("tools")
        for part, value in zip(("description", "schema", "form"), described, strict=True)
    }
    return {**{name: value for name, value in fields.items() if value not in ("", None)}, **offered, **rest}


def _chat(body: dict[str, Any]) -> dict[str, Any]:
    history: list[Item] = []
    system: list[str] = []
    for message in body.pop("messages"):
        role, content = message["role"], message.get("content")
        if role == "system":
            system.append(content)
        elif role == "tool":
            history.append((role, "result", (message["tool_call_id"], content)))
        elif content or not message.get("tool_calls"):
            history.append((role, "text", content))
        for call in message.get("tool_calls") or ():
            made = call["function"]
            history.append((role, "call", (call["id"], made["name"], parsed(made["arguments"]))))
    tools = [_function(tool["function"]) for tool in body.pop("tools", ())]
    choice: Any = body.pop("tool_choice", "")
    if not isinstance(choice, str):
        choice = choice["function"]["name"]
    return {
        "system": "\n\n".join(system),
        "history": history,
        "tools": tools,
        "choice": choice,
        "limit": body.pop("max_tokens", None),
    }


def _responses(body: dict[str, Any]) -> dict[str, Any]:
    history: list[Item] = []
    for item in body.pop("input"):
        match item.get("type", "message"):
            case "function_call":
                history.append(("assistant", "call", (item["call_id"], item["name"], parsed(item["arguments"]))))
            case "function_call_output":
                history.append(("tool", "result", (item["call_id"], _text(item["output"]))))
            case _:
                history.append((item["role"], "text", _text(item["content"])))
    choice = body.pop("tool_choice", "")
    return {
        "system": body.pop("instructions", ""),
        "history": history,
        "tools": [(*_function(tool)[:3], f"strict: {tool['strict']}") for tool in body.pop("tools", ())],
        "choice": choice["name"] if isinstance(choice, dict) else choice,
        "limit": body.pop("max_output_tokens", None),
    }


def _messages(body: dict[str, Any]) -> dict[str, Any]:
    history: list[Item] = []
    for turn in body.pop("messages"):
        for block in (
            [{"type": "text", "text": turn["content"]}] if isinstance(turn["content"], str) else turn["content"]
        ):
            match block["type"]:
                case "tool_use":
                    history.append((turn["role"], "call", (block["id"], block["name"], block["input"])))
                case "tool_result":
                    history.append(("tool", "result", (block["tool_use_id"], _text(block["content"]))))
                case _:
                    history.append((turn["role"], "text", block["text"]))
    choice = body.pop("tool_choice", None)
    return {
        "system": _text(body.pop("system", "")),
        "history": history,
        "tools": [
            (tool["name"], tool.get("description") or "", tool["input_schema"], "") for tool in body.pop("tools", ())
        ],
        "choice": (choice.get("name") or choice["type"]) if choice else "",
        "limit": body.pop("max_tokens", None),
    }


def _gemini(body: dict[str, Any]) -> dict[str, Any]:
    history: list[Item] = []
    for turn in body.pop("contents"):
        role = "assistant" if turn["role"] == "model" else turn["role"]
        for part in turn["parts"]:
            if call := part.get("functionCall"):
                made = (call["id"], call["name"], call["args"], part.get("thoughtSignature"))
                history.append((role, "call", made))
            elif result := part.get("functionResponse"):
                history.append(("tool", "result", (result["id"], result["name"], result["response"])))
            else:
                history.append((role, "text", part["text"]))
    offered = [tool for group in body.pop("tools", ()) for tool in group["functionDeclarations"]]
    calling = body.pop("toolConfig", {}).get("functionCallingConfig", {})
    return {
        "system": "\n\n".join(part["text"] for part in body.pop("systemInstruction", {}).get("parts", ())),
        "history": history,
        "tools": [_declared(**tool) for tool in offered],
        "choice": (calling.get("allowedFunctionNames") or [calling.get("mode", "")])[0],
        "limit": body.get("generationConfig", {}).pop("maxOutputTokens", None),
    }


_FORMS: Final[Mapping[Wire, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    Wire.OPENAI_CHAT: _chat,
    Wire.OPENAI_RESPONSES: _responses,
    Wire.ANTHROPIC_MESSAGES: _messages,
    Wire.GEMINI: _gemini,
}


def _function(tool: Mapping[str, Any]) -> tuple[Any, ...]:
    return tool["name"], tool.get("description") or "", tool["parameters"], ""


def _declared(name: str, description: str = "", **schema: Any) -> tuple[Any, ...]:
    form = next(iter(schema), None)
    return name, description, schema.get(form) if form else None, form


def _text(content: Any) -> str:
    """Give content that may be a text or a list of parts."""
    return content if isinstance(content, str) else "\n\n".join(part["text"] for part in content)


def _renamed(value: Any) -> Any:
    """Give a body of Gemini's with names as its documentation writes them: both forms mean the same."""
    return json.loads(json.dumps(value), object_pairs_hook=_camel)


def _camel(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        "".join((first, *map(str.title, more))): value for name, value in pairs for first, *more in [name.split("_")]
    }


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for name, inner in value.items():  # pyright: ignore[reportUnknownVariableType]  # JSON's own
        yield from _leaves(inner, f"{path}.{name}" if path else str(name))  # pyright: ignore[reportUnknownArgumentType]  # JSON's own
