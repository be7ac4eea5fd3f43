"""Gemini streamGenerateContent: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse."""

from collections.abc import Mapping
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.wires.reading import Reading, count, rows, table, unknown_end

FINISH: Final[Mapping[str, FinishReason]] = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "LANGUAGE": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
}
"""A reason outside this table (OTHER, MALFORMED_FUNCTION_CALL) is a broken end, not an end."""


def read(event: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    """Take one event; give it back if it is an error object.

    The end is a candidate's `finishReason`; a blocked prompt has no candidate at all.
    """
    if event.get("error") or ("candidates" not in event and "message" in event):
        return event
    if reason := table(event.get("promptFeedback")).get("blockReason"):
        return {"error": {"status": "content_filter", "message": f"The prompt was blocked: {reason}"}}
    for candidate in rows(event.get("candidates")):
        parts = rows(table(candidate.get("content")).get("parts"))
        reading.tools = reading.tools or any("functionCall" in part for part in parts)
        reason = candidate.get("finishReason")
        if isinstance(reason, str) and reason != "FINISH_REASON_UNSPECIFIED":
            if reason not in FINISH:
                return unknown_end(reason)
            called = FINISH[reason] is FinishReason.STOP and reading.tools
            reading.finish = FinishReason.TOOL_CALLS if called else FINISH[reason]
    if usage := table(event.get("usageMetadata")):
        thoughts = count(usage.get("thoughtsTokenCount"))
        reading.usage = Usage(
            input=count(usage.get("promptTokenCount")),
            output=count(usage.get("candidatesTokenCount")) + thoughts,
            cached=count(usage.get("cachedContentTokenCount")),
            reasoning=thoughts,
        )
    return None
