"""A generated answer on Anthropic's wire: https://docs.anthropic.com/en/api/messages-streaming."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from app.events import FinishReason, Usage
from tests.providers.differential.speech import Speech
from tests.providers.differential.written import Event

_REASONS: Final[Mapping[FinishReason, tuple[str, ...]]] = {
    FinishReason.STOP: ("end_turn", "stop_sequence", "pause_turn"),
    FinishReason.LENGTH: ("max_tokens", "model_context_window_exceeded"),
    FinishReason.TOOL_CALLS: ("tool_use",),
    FinishReason.CONTENT_FILTER: ("refusal",),
}
_NOTHING: Final[tuple[dict[str, Any], ...]] = (
    {"type": "ping"},
    {"type": "a_new_event", "text": "not for you"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"title": "no"}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}},
    {"type": "content_block_start", "index": 90, "content_block": {"type": "redacted_thinking", "data": "c2ln"}},
    {"type": "content_block_start", "index": 91, "content_block": {"type": "server_tool_use", "name": "s"}},
    {"type": "content_block_delta", "index": 91, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    {"type": "content_block_stop", "index": 91},
)
_COMMON: Final = 5
"""Those that begin no block, which would be one beside a call that is open."""


def events(speech: Speech, random: Random) -> list[Event]:
    written = _Messages(speech, random)
    for kind, text in speech.pieces:
        written.piece(kind, text)
        while random.random() < 0.15:
            written.nothing()
    return written.ended()


class _Messages:
    def __init__(self, speech: Speech, random: Random) -> None:
        self._speech = speech
        self._random = random
        self._named = random.random() < 0.9
        self._events: list[Event] = []
        self._blocks = 0
        self._open = ""
        self._calls: dict[str, int] = {}
        """The blocks of the calls; they stay open, so that pieces of parallel ones may alternate."""
        started = {"usage": _started(speech.usage)} if speech.usage else {}
        self._emit({"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], **started}})

    def piece(self, kind: str, text: str) -> None:
        if kind.startswith("call"):
            self._call(kind, text)
            return
        name, key = ("text", "text") if kind == "text" else ("thinking", "thinking")
        if self._open != kind:
            self._close()
            self._open = kind
            whole = self._random.random() < 0.2 and not (self._speech.plain and kind == "reasoning")
            block = {"type": name, key: text if whole else ""}
            start = {"type": "content_block_start", "index": self._blocks, "content_block": block}
            self._emit(start, *([(kind, text)] if whole else []))
            self._blocks += 1
            if whole:
                return
        delta = {"type": f"{name}_delta", key: text}
        self._emit({"type": "content_block_delta", "index": self._blocks - 1, "delta": delta}, (kind, text))

    def nothing(self) -> None:
        self._emit(self._random.choice(_NOTHING[:_COMMON] if self._speech.plain else _NOTHING))

    def ended(self) -> list[Event]:
        self._close()
        for block in self._calls.values():
            self._emit({"type": "content_block_stop", "index": block})
        reason = self._random.choice(_REASONS[self._speech.finish])
        usage = self._speech.usage
        counted = {"usage": self._random.choice((_ended, _whole))(usage)} if usage else {}
        self._emit({"type": "message_delta", "delta": {"stop_reason": reason}, **counted})
        self._emit({"type": "message_stop"}, ends=True)
        if self._random.random() < 0.3:
            self._emit({"type": "ping", "cost": "0.00012"})
        return self._events

    def _emit(self, data: dict[str, Any], *said: tuple[str, str], ends: bool = False) -> None:
        self._events.append(Event(data, said, data["type"] if self._named else "", ends))

    def _call(self, kind: str, text: str) -> None:
        if kind not in self._calls:
            self._close()
            self._calls[kind] = self._blocks
            self._blocks += 1
            call = self._speech.calls[int(kind.removeprefix("call "))]
            block: dict[str, Any] = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            start = {"type": "content_block_start", "index": self._calls[kind], "content_block": block}
            self._emit(start, (kind, ""))
        delta = {"type": "input_json_delta", "partial_json": text}
        self._emit({"type": "content_block_delta", "index": self._calls[kind], "delta": delta}, (kind, text))

    def _close(self) -> None:
        if self._open:
            self._emit({"type": "content_block_stop", "index": self._blocks - 1})
        self._open = ""


def _started(usage: Usage) -> dict[str, Any]:
    """Tokens of a cache are no part of `input_tokens` here."""
    fresh = {"input_tokens": usage.input - usage.cached, "cache_read_input_tokens": usage.cached}
    return {**fresh, "cache_creation_input_tokens": 0, "output_tokens": 1}


def _ended(usage: Usage) -> dict[str, Any]:
    return {"output_tokens": usage.output}


def _whole(usage: Usage) -> dict[str, Any]:
    return _started(usage) | _ended(usage)
