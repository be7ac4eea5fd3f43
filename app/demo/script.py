"""What the demo model answers: words in the last user message choose it, so that every case can be asked for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, cast

MODELS: Final = ("demo-small", "demo-large")
STATUSES: Final = (401, 402, 403, 404, 429, 500, 502, 503, 529)

WORDS: Final = {
    "help": "this list",
    "tool": "two parallel tool calls",
    f"error {'|'.join(map(str, STATUSES))}": "a refusal with that status",
    "slow": "three seconds before the first word",
    "stall": "silence in the middle of the answer",
    "cut": "a connection that drops in the middle of the answer",
    "html": "a web page instead of an answer",
    "empty": "nothing at all instead of an answer",
    "long": "a long answer",
    "length": "an answer that stops at its length limit",
    "filter": "an answer that a content filter stops",
    "think": "reasoning before the answer",
    "unicode": "letters from many scripts",
}

_INTRODUCTION: Final = (
    "I am the demo model that comes with the gateway: no provider was asked and nothing was paid. "
    "A real model could answer like this. "
)
_DAY: Final = (
    "Begin the day in Lisbon at the Miradouro da Graça, while the light is soft and the tram is still empty. "
    "Walk down through Alfama, where every second door smells of coffee, and take the ferry to Cacilhas at noon: "
    "the grilled fish is better on that side, and so is the view. "
    "Keep the afternoon for the tiles of the Museu Nacional do Azulejo, and the evening for fado in a small room. "
)
_END: Final = "Say “help” and I list what else I can play."
_UNICODE: Final = (
    "Grüße aus Köln, 東京の朝はとても静かです, Привет из Твери, "
    "مرحبا من القاهرة, नमस्ते दिल्ली, 👩‍👩‍👧‍👦 on a 🚞 to Zürich, café written twice: café and cafe\u0301."
)
_THOUGHT: Final = "The person wants a day in a city. One viewpoint, one walk, one meal, one museum is enough. "


class Manner(StrEnum):
    """How an answer that begins well goes on."""

    WHOLE = "whole"
    STALL = "stall"
    CUT = "cut"
    HTML = "html"
    EMPTY = "empty"


_FAILURES: Final = (Manner.HTML, Manner.EMPTY, Manner.CUT, Manner.STALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


TOOL_CALLS: Final = (
    Call(id="call_demo_weather", name="get_weather", arguments='{"city": "Lisbon", "unit": "celsius"}'),
    Call(id="call_demo_places", name="search_places", arguments='{"city": "Lisbon", "kind": "viewpoint", "limit": 3}'),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One answer, before anything is sent."""

    status: int = 200
    manner: Manner = Manner.WHOLE
    slow: bool = False
    reasoning: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls"] = "stop"


def choose(messages: Sequence[object]) -> Script:
    """Give the answer to `messages` (OpenAI's list); of several words, the one that fails earliest wins."""
    said = _last_user_text(messages).lower()
    words = set(re.findall(r"[a-z]+", said))
    refusal = re.search(r"\berror (\d{3})\b", said)
    if refusal and int(refusal[1]) in STATUSES:
        return Script(status=int(refusal[1]))
    manner = next((manner for manner in _FAILURES if manner.value in words), Manner.WHOLE)
    slow = "slow" in words
    if "tool" in words and not _answers_tools(messages):
        return Script(calls=TOOL_CALLS, finish_reason="tool_calls", slow=slow, manner=manner)
    return Script(
        manner=manner,
        slow=slow,
        reasoning=_THOUGHT * 2 if "think" in words else "",
        text=_text(words),
        finish_reason="length" if "length" in words else "content_filter" if "filter" in words else "stop",
    )


def _text(words: set[str]) -> str:
    if "help" in words:
        listed = "\n".join(f"- {word}: {meaning}" for word, meaning in WORDS.items())
        return f"I am the demo model that comes with the gateway. Put one of these words into a message:\n\n{listed}\n"
    if "unicode" in words:
        return f"{_INTRODUCTION}{_UNICODE}"
    if "length" in words or "filter" in words:
        return f"{_INTRODUCTION}{_DAY[:90].rpartition(' ')[0]}"
    days = 12 if "long" in words else 1
    return f"{_INTRODUCTION}{_DAY * days}{_END}"


def _last_user_text(messages: Sequence[object]) -> str:
    for message in reversed(messages):
        if isinstance(message, Mapping):
            fields = cast("Mapping[str, Any]", message)
            if fields.get("role") == "user":
                return _plain(fields.get("content"))
    return ""


def _plain(content: object) -> str:
    """Give the text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [cast("Mapping[str, Any]", part) for part in cast("list[object]", content) if isinstance(part, Mapping)]
    return " ".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")


def _answers_tools(messages: Sequence[object]) -> bool:
    """Tell whether the last message is the result of a tool: then the model talks instead of calling again."""
    last = messages[-1] if messages else None
    return isinstance(last, Mapping) and cast("Mapping[str, Any]", last).get("role") == "tool"
