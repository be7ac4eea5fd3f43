"""A generated answer on Gemini's wire: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from app.events import FinishReason, Usage
from tests.providers.differential.speech import Said, Speech
from tests.providers.differential.written import Event

_REASONS: Final[Mapping[FinishReason, tuple[str, ...]]] = {
    FinishReason.STOP: ("STOP",),
    FinishReason.LENGTH: ("MAX_TOKENS",),
    FinishReason.TOOL_CALLS: ("STOP",),
    FinishReason.CONTENT_FILTER: ("SAFETY", "RECITATION", "PROHIBITED_CONTENT"),
}
_NOTHING: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"candidates": []},
    {"candidates": [{"content": {"role": "model"}, "index": 0}]},
    {"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "safetyRatings": []}]},
    {"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": "c2ln"}]}, "finishReason": None}]},
    {"promptFeedback": {"safetyRatings": []}, "newField": {"text": "not for you"}},
    {"candidates": [{"content": {"parts": [{"newPart": {"text": "no"}}]}, "groundingMetadata": {}}]},
)


def events(speech: Speech, random: Random) -> list[Event]:
    """Give the events; parts may lie together in one, and calls are whole."""
    counting = random.choice(("growing", "last", "late"))
    written: list[Event] = []
    said: list[Said] = []
    for piece in speech.pieces:
        said.append(piece)
        if random.random() < 0.7:
            written.append(_event(speech, said, _growing(speech.usage, counting, len(written))))
            said = []
        while not said and random.random() < 0.15:
            written.append(Event(random.choice(_NOTHING)))
    usage = _usage(speech.usage) if speech.usage and counting != "late" else {}
    written.append(_event(speech, said, usage, random.choice(_REASONS[speech.finish])))
    if speech.usage and counting == "late":
        written.append(Event(_usage(speech.usage)))
    return written


def _event(speech: Speech, said: list[Said], usage: dict[str, Any], reason: str | None = None) -> Event:
    candidate: dict[str, Any] = {"content": {"parts": [_part(speech, *piece) for piece in said], "role": "model"}}
    if reason:
        candidate["finishReason"] = reason
    return Event({"candidates": [candidate], **usage, "modelVersion": "m"}, tuple(said), ends=reason is not None)


def _part(speech: Speech, kind: str, text: str) -> dict[str, Any]:
    if kind == "text":
        return {"text": text}
    if kind == "reasoning":
        return {"text": text, "thought": True}
    call = speech.calls[int(kind.removeprefix("call "))]
    return {"functionCall": {"id": call.id, "name": call.name, "args": json.loads(text)}}


def _growing(usage: Usage | None, counting: str, number: int) -> dict[str, Any]:
    if usage is None or counting != "growing":
        return {}
    return {"usageMetadata": {"promptTokenCount": usage.input, "candidatesTokenCount": number}}


def _usage(usage: Usage) -> dict[str, Any]:
    counted = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "thoughtsTokenCount": usage.reasoning,
        "cachedContentTokenCount": usage.cached,
    }
    return {"usageMetadata": {name: value for name, value in counted.items() if value or name == "promptTokenCount"}}
