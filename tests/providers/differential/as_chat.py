"""A generated answer on the chat wire: https://platform.openai.com/docs/api-reference/chat-streaming."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from app.events import FinishReason, Usage
from tests.providers.differential.speech import Speech
from tests.providers.differential.written import Event

_HEAD: Final[Mapping[str, Any]] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_REASONS: Final[Mapping[FinishReason, tuple[str, ...]]] = {
    FinishReason.STOP: ("stop", "STOP", "eos"),
    FinishReason.LENGTH: ("length", "MAX_TOKENS", "model_length"),
    FinishReason.TOOL_CALLS: ("tool_calls", "function_call", "stop"),
    FinishReason.CONTENT_FILTER: ("content_filter",),
}
_NOTHING: Final[tuple[dict[str, Any], ...]] = (
    {"choices": []},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": None}], "obfuscation": "x7Qa"},
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"content": None, "tool_calls": None, "refusal": None}}]},
    {"choices": [{"index": 0, "delta": {"annotations": [], "audio": None}, "logprobs": None}], "usage": None},
    {"object": "a.new.event", "payload": {"text": "not for you"}},
)


def events(speech: Speech, random: Random) -> list[Event]:
    written = _Chat(speech, random)
    for kind, text in speech.pieces:
        written.piece(kind, text)
        while random.random() < 0.15:
            written.nothing()
    return written.ended()


class _Chat:
    def __init__(self, speech: Speech, random: Random) -> None:
        self._speech = speech
        self._random = random
        self._thoughts = random.choice(("reasoning_content", "reasoning"))
        self._usage = random.choice(("first", "all", "finish", "late", "groq"))
        self._opened: set[int] = set()
        self._events: list[Event] = []
        if random.random() < 0.8:
            self._chunk({"role": "assistant", "content": random.choice(("", None))})

    def piece(self, kind: str, text: str) -> None:
        if kind == "text":
            self._chunk({"content": text}, (kind, text))
        elif kind == "reasoning":
            self._chunk({self._thoughts: text}, (kind, text))
        else:
            self._call(int(kind.removeprefix("call ")), text)

    def nothing(self) -> None:
        self._events.append(Event({**_HEAD, **self._random.choice(_NOTHING)}))

    def ended(self) -> list[Event]:
        random, speech = self._random, self._speech
        reason = random.choice(_REASONS[speech.finish])
        last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        self._events.append(Event({**_HEAD, **last, **self._counted("finish", "all", "first")}, ends=True))
        if speech.usage and self._usage == "groq":
            self._events.append(Event({**_HEAD, "choices": [], "x_groq": {"usage": _usage(speech.usage)}}))
        if speech.usage and self._usage == "late":
            self._events.append(Event({**_HEAD, "choices": [], "usage": _usage(speech.usage)}))
        if random.random() < 0.3:
            self._events.append(Event({"choices": [], "cost": "0.00012"}))
        if random.random() < 0.9:
            self._events.append(Event("[DONE]"))
            if random.random() < 0.3:
                self._events.append(Event({"choices": [], "cost": "0.00012", "usage": {"prompt_tokens": 77}}))
        return self._events

    def _counted(self, *when: str) -> dict[str, Any]:
        usage = self._speech.usage
        return {"usage": _usage(usage)} if usage and self._usage in when else {}

    def _chunk(self, delta: dict[str, Any], *said: tuple[str, str]) -> None:
        counted = self._counted("all", "first")
        if self._usage == "first":
            self._usage = "told"
        chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        self._events.append(Event({**_HEAD, **chunk, **counted}, said))

    def _call(self, number: int, text: str) -> None:
        call, told = self._speech.calls[number], f"call {number}"
        if number in self._opened:
            again = self._random.choice(({}, {"id": call.id}, {"id": ""}, {"id": None, "type": "function"}))
            piece = {"index": number, **again, "function": {"arguments": text}}
            self._chunk({"tool_calls": [piece]}, (told, text))
            return
        self._opened.add(number)
        opening: dict[str, Any] = {"index": number, "id": call.id, "type": "function"}
        if self._random.random() < 0.5:
            self._chunk({"tool_calls": [opening | {"function": {"name": call.name, "arguments": text}}]}, (told, text))
        else:
            self._chunk({"tool_calls": [opening | {"function": {"name": call.name, "arguments": ""}}]}, (told, ""))
            self._chunk({"tool_calls": [{"index": number, "function": {"arguments": text}}]}, (told, text))


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
