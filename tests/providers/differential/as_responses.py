"""A generated answer on the responses wire: https://platform.openai.com/docs/api-reference/responses-streaming."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from app.events import FinishReason, Usage
from tests.providers.differential.speech import Speech
from tests.providers.differential.written import Event

_INCOMPLETE: Final[Mapping[FinishReason, str]] = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}
_NOTHING: Final[tuple[dict[str, Any], ...]] = (
    {"type": "response.in_progress", "response": {"status": "in_progress", "error": None}},
    {"type": "response.a_new_event", "delta": "not for you"},
    {"type": "keepalive"},
    {"type": "response.output_text.delta", "output_index": 0, "delta": ""},
    {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": {"title": "no"}},
    {"type": "response.output_item.added", "output_index": 90, "item": {"type": "web_search_call", "id": "ws_1"}},
    {"type": "response.mcp_call_arguments.delta", "output_index": 91, "delta": "{"},
)
_TEXTS: Final = ("response.output_text.delta", "response.refusal.delta")
_THOUGHTS: Final = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


def events(speech: Speech, random: Random) -> list[Event]:
    written = _Responses(speech, random)
    for place, (kind, text) in enumerate(speech.pieces):
        alone = [piece for piece, _ in speech.pieces].count(kind) == 1
        written.piece(place, kind, text, alone=alone)
        while random.random() < 0.15:
            written.nothing()
    return written.ended()


class _Responses:
    def __init__(self, speech: Speech, random: Random) -> None:
        self._speech = speech
        self._random = random
        self._named = random.random() < 0.9
        self._events: list[Event] = []
        self._texts = random.choice(_TEXTS[:1] if speech.plain else _TEXTS)
        self._thoughts = random.choice(_THOUGHTS[:1] if speech.plain else _THOUGHTS)
        self._opened: dict[str, str] = {}
        """The arguments of the calls so far."""
        self._emit({"type": "response.created", "response": {"id": "resp_1", "output": [], "usage": None}})

    def piece(self, place: int, kind: str, text: str, *, alone: bool) -> None:
        if kind == "text":
            said = {"type": self._texts, "output_index": 50 + place, "content_index": 0, "delta": text}
            self._emit(said, (kind, text))
        elif kind == "reasoning":
            self._emit({"type": self._thoughts, "output_index": 50 + place, "delta": text}, (kind, text))
        elif alone and not self._speech.plain and self._random.random() < 0.3:
            self._told_at_its_end(kind, text)
        else:
            self._call(kind, text)

    def nothing(self) -> None:
        self._emit(self._random.choice(_NOTHING))

    def ended(self) -> list[Event]:
        for kind, arguments in self._opened.items():
            call = {"type": "response.function_call_arguments.done", "output_index": _index(kind)}
            self._emit(call | {"arguments": arguments})
            self._item("done", kind, arguments)
        reason = _INCOMPLETE.get(self._speech.finish)
        status = "incomplete" if reason else "completed"
        response: dict[str, Any] = {"status": status, "error": None, "output": []}
        if reason:
            response["incomplete_details"] = {"reason": reason}
        usage = self._speech.usage
        response["usage"] = _usage(usage) if usage else None
        self._emit({"type": f"response.{status}", "response": response}, ends=True)
        if self._random.random() < 0.3:
            self._emit({"type": "response.cost", "cost": "0.00012"})
        return self._events

    def _emit(self, data: dict[str, Any], *said: tuple[str, str], ends: bool = False) -> None:
        numbered = {**data, "sequence_number": len(self._events), "obfuscation": "x7Qa"}
        self._events.append(Event(numbered, said, data["type"] if self._named else "", ends))

    def _item(self, when: str, kind: str, arguments: str, *said: tuple[str, str]) -> None:
        call = self._speech.calls[_index(kind)]
        item = {"type": "function_call", "id": "fc_1", "call_id": call.id, "name": call.name, "arguments": arguments}
        self._emit({"type": f"response.output_item.{when}", "output_index": _index(kind), "item": item}, *said)

    def _told_at_its_end(self, kind: str, text: str) -> None:
        if self._random.random() < 0.5:
            self._item("added", kind, "", (kind, ""))
        self._item("done", kind, text, (kind, text))

    def _call(self, kind: str, text: str) -> None:
        if kind not in self._opened:
            self._item("added", kind, "", (kind, ""))
        self._opened[kind] = self._opened.get(kind, "") + text
        piece = {"type": "response.function_call_arguments.delta", "output_index": _index(kind), "delta": text}
        self._emit(piece, (kind, text))


def _index(kind: str) -> int:
    return int(kind.removeprefix("call "))


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
