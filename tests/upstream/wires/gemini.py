"""Gemini generateContent: https://ai.google.dev/api/generate-content and https://cloud.google.com/apis/design/errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from tests.upstream.answer import Answer
from tests.upstream.frames import Frame, Part, made_id, sse
from tests.upstream.trouble import Topic, Trouble

_FINISHES: Final[Mapping[FinishReason, str]] = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.CONTENT_FILTER: "SAFETY",
}
_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TOPICS: Final[Mapping[Topic, str]] = {
    Topic.CONTEXT: ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    Topic.POLICY: "The prompt was blocked by the content policy.",
    Topic.QUOTA: "You exceeded your current quota, please check your plan and billing details.",
    Topic.MODEL: (
        "models/nope is not found for API version v1beta, or is not supported for generateContent."
        " Call ListModels to see the list of available models and their supported methods."
    ),
    Topic.KEY: "API key not valid. Please pass a valid API key.",
}
_RPC: Final = "type.googleapis.com/google.rpc."


def _usage(usage: Usage, *, last: bool) -> dict[str, Any]:
    """Thoughts are not part of `candidatesTokenCount` here; the count grows from chunk to chunk."""
    counted: dict[str, Any] = {"promptTokenCount": usage.input, "totalTokenCount": usage.input}
    if usage.cached:
        counted["cachedContentTokenCount"] = usage.cached
    if last:
        counted["totalTokenCount"] += usage.output
        counted["candidatesTokenCount"] = usage.output - usage.reasoning
        if usage.reasoning:
            counted["thoughtsTokenCount"] = usage.reasoning
    return counted


class Gemini:
    wire = Wire.GEMINI
    content_type = "text/event-stream"
    pings: Sequence[bytes] = (b": keep-alive\n\n", b"data: {}\n\n")

    def frames(self, answer: Answer, request: dict[str, Any]) -> Sequence[Frame]:
        groups = _groups(answer) or [[{"text": ""}]]
        last = len(groups) - 1
        return [
            Frame(
                Part.FINISH if index == last else Part.CONTENT,
                sse(_response(answer, request, parts, last=index == last)),
            )
            for index, parts in enumerate(groups)
        ]

    def whole(self, answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
        parts = [part for group in _groups(answer) for part in group]
        return _response(answer, request, parts, last=True)

    def error(self, trouble: Trouble) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "code": trouble.status,
            "message": trouble.message or _TOPICS.get(trouble.topic, trouble.plain),
            "status": _STATUSES.get(trouble.status, "UNKNOWN"),
        }
        if trouble.topic is Topic.KEY:
            info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
            shown["details"] = [{"@type": _RPC + "ErrorInfo"} | info]
        elif trouble.topic is Topic.QUOTA:
            violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}
            shown["details"] = [
                {"@type": _RPC + "QuotaFailure", "violations": [violation]},
                {"@type": _RPC + "RetryInfo", "retryDelay": "43200s"},
            ]
        elif trouble.status == 429:
            shown["details"] = [{"@type": _RPC + "RetryInfo", "retryDelay": "7s"}]
        return {"error": shown}

    def error_frame(self, trouble: Trouble) -> bytes:
        return sse(self.error(trouble))

    def flat_error_frame(self, trouble: Trouble) -> bytes:
        return sse(self.error(trouble)["error"])

    def string_error_frame(self, message: str) -> bytes:
        return sse({"error": message})


def _groups(answer: Answer) -> list[list[dict[str, Any]]]:
    """Give the parts of each chunk: function calls are whole, all in one chunk unless interleaved."""
    groups: list[list[dict[str, Any]]] = [[{"text": text, "thought": True}] for text in answer.reasoning]
    groups += [[{"text": text}] for text in answer.texts]
    calls: list[dict[str, Any]] = [
        {"functionCall": {"name": call.name, "args": orjson.loads(call.arguments)}} for call in answer.tool_calls
    ]
    if calls and answer.signature:
        calls[0]["thoughtSignature"] = answer.signature
    if calls:
        groups += [[call] for call in calls] if answer.interleaved else [calls]
    return groups


def _response(answer: Answer, request: dict[str, Any], parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = _FINISHES[answer.reason]
    body: dict[str, Any] = {"candidates": [candidate]}
    if answer.usage:
        body["usageMetadata"] = _usage(answer.usage, last=last)
    return body | {"modelVersion": request["model"], "responseId": made_id("", request, 22)}
