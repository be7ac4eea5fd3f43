"""Requests that the lanes must mean alike."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.providers.model import ChatMessage, ToolCall, ToolSpec

SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}
TOOLS: Final = (ToolSpec(name="get_weather", description="Tells the weather.", parameters=SCHEMA), ToolSpec(name="now"))
USER: Final = ChatMessage(role="user", content="Weather?")


def said(content: str, *calls: ToolCall) -> ChatMessage:
    return ChatMessage(role="assistant", content=content, tool_calls=calls)


def system(content: str) -> ChatMessage:
    return ChatMessage(role="system", content=content)


def result(id_: str, name: str, content: str) -> ChatMessage:
    return ChatMessage(role="tool", content=content, tool_call_id=id_, name=name)


WEATHER: Final = ToolCall(id="call_a", name="get_weather", arguments='{"city":"Zürich"}')
NOW: Final = ToolCall(id="call_b", name="now", arguments="{}")
ANSWERED: Final = (USER, said("", WEATHER), result("call_a", "get_weather", '{"t":9}'))
REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "question": {"messages": (USER,)},
    "system": {"messages": (system("Be brief."), USER)},
    "two systems": {"messages": (system("Be brief."), system("Be kind."), USER)},
    "talk": {"messages": (USER, said("Nine."), ChatMessage(role="user", content="And Rome?"))},
    "two questions": {"messages": (USER, ChatMessage(role="user", content="Please?"))},
    "assistant first": {"messages": (said("Hello."), USER)},
    "blank answer": {"messages": (USER, said(" \n"), USER)},
    "unicode": {"messages": (ChatMessage(role="user", content='Grüße 東京 🧭\u2028\x00 "\\'),)},
    "tools": {"messages": (USER,), "tools": TOOLS},
    "tools, none": {"messages": (USER,), "tools": TOOLS, "tool_choice": "none"},
    "tools, auto": {"messages": (USER,), "tools": TOOLS, "tool_choice": "auto"},
    "tools, required": {"messages": (USER,), "tools": TOOLS, "tool_choice": "required"},
    "tools, named": {"messages": (USER,), "tools": TOOLS, "tool_choice": "now"},
    "limit": {"messages": (USER,), "max_output_tokens": 500},
    "result": {"messages": ANSWERED, "tools": TOOLS},
    "results": {
        "messages": (USER, said("See.", WEATHER, NOW), result("call_b", "now", "noon"),
                     result("call_a", "get_weather", '{"t":9}'), said("Nine."), USER),
        "tools": TOOLS,
    },
    "result that is a list": {
        "messages": (USER, said("", NOW), result("call_b", "now", "[1,2]")), "tools": TOOLS,
    },
    "empty result": {"messages": (USER, said("", NOW), result("call_b", "now", "")), "tools": TOOLS},
})  # fmt: skip
