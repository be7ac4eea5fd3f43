"""Gemini streamGenerateContent: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.pieces import Pieces
from app.providers.wires.reading import (
    Reading,
    count,
    first,
    json_text,
    part,
    parts,
    rows,
    string,
    table,
    text,
    unknown_end,
)

SIGNATURE: Final = "__thought__"
"""Between the id of a call and its `thoughtSignature`, which has to come back with the call: the id is all of a call
that is kept and returned verbatim. litellm writes it so too, so a conversation may go on in either lane."""

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
    for candidate in first(rows(event.get("candidates"))):
        said = rows(table(candidate.get("content")).get("parts"))
        reading.tools = reading.tools or any("functionCall" in one for one in said)
        reason = candidate.get("finishReason")
        if isinstance(reason, str) and reason != "FINISH_REASON_UNSPECIFIED":
            if reason not in FINISH:
                return unknown_end(reason)
            called = FINISH[reason] is FinishReason.STOP and reading.tools
            reading.finish = FinishReason.TOOL_CALLS if called else FINISH[reason]
    usage = table(event.get("usageMetadata"))
    if usage and usage != reading.counted:
        reading.counted = usage
        thoughts = count(usage.get("thoughtsTokenCount"))
        reading.usage = Usage(
            input=count(usage.get("promptTokenCount")),
            output=count(usage.get("candidatesTokenCount")) + thoughts,
            cached=count(usage.get("cachedContentTokenCount")),
            reasoning=thoughts,
        )
    return None


def say(event: Mapping[str, Any], pieces: Pieces) -> None:
    """Put what one event adds to the answer into `pieces`; tool calls come whole, mostly without an id."""
    for candidate in first(rows(event.get("candidates"))):
        for one in parts(part(candidate.get("content")).get("parts")):
            if piece := text(one.get("text")):
                if one.get("thought") is True:
                    pieces.reasoning(piece)
                else:
                    pieces.text(piece)
            if call := part(one.get("functionCall")):
                id_ = string(call.get("id")) or f"call_{secrets.token_hex(12)}"
                if signature := string(one.get("thoughtSignature")):
                    id_ = f"{id_}{SIGNATURE}{signature}"
                pieces.lone_call(id_, string(call.get("name")), json_text(call.get("args")) or "{}")
