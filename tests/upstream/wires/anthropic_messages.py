"""Anthropic messages: https://docs.anthropic.com/en/api/messages-streaming and /errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from tests.upstream.answer import Answer
from tests.upstream.frames import Frame, Part, made_id, sse
from tests.upstream.trouble import Topic, Trouble

_STOPS: Final[Mapping[FinishReason, str]] = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
}
_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TOPICS: Final[Mapping[Topic, str]] = {
    Topic.CONTEXT: "prompt is too long: 213462 tokens > 200000 maximum",
    Topic.POLICY: "Output blocked by content filtering policy",
    Topic.QUOTA: "You have reached your specified API usage limits. You will regain access on 2027-01-01 at 00:00 UTC.",
    Topic.MODEL: "model: nope",
    Topic.KEY: "invalid x-api-key",
}
_SIGNATURE: Final = "EqQBCkYIARgCIkAyf0" + "Kq" * 60 + "=="


def _named(event: dict[str, Any]) -> bytes:
    return sse(event, event=str(event["type"]))


def _usage(usage: Usage | None) -> dict[str, Any]:
    """Tokens read from the cache are not part of `input_tokens` here."""
    usage = usage or Usage(input=0, output=0)
    return {
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }


class AnthropicMessages:
    wire = Wire.ANTHROPIC_MESSAGES
    content_type = "text/event-stream; charset=utf-8"
    pings: Sequence[bytes] = (_named({"type": "ping"}), b": ping\n\n")

    def frames(self, answer: Answer, request: dict[str, Any]) -> Sequence[Frame]:
        started = _usage(answer.usage) | {"output_tokens": 1 if answer.usage else 0, "service_tier": "standard"}
        empty: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": started}
        message = _message(request) | empty
        frames = [Frame(Part.OPEN, _named({"type": "message_start", "message": message}))]
        for index, (block, deltas) in enumerate(_blocks(answer)):
            start = {"type": "content_block_start", "index": index, "content_block": block}
            frames.append(Frame(Part.OPEN, _named(start)))
            if index == 0:
                frames.append(Frame(Part.OPEN, _named({"type": "ping"})))
            frames += [
                Frame(Part.CONTENT, _named({"type": "content_block_delta", "index": index, "delta": delta}))
                for delta in deltas
            ]
            frames.append(Frame(Part.CLOSE, _named({"type": "content_block_stop", "index": index})))
        end = {
            "type": "message_delta",
            "delta": {"stop_reason": _STOPS[answer.reason], "stop_sequence": None},
            "usage": _usage(answer.usage),
        }
        return [*frames, Frame(Part.FINISH, _named(end)), Frame(Part.END, _named({"type": "message_stop"}))]

    def whole(self, answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if answer.reasoning:
            content.append({"type": "thinking", "thinking": "".join(answer.reasoning), "signature": _SIGNATURE})
        if answer.texts:
            content.append({"type": "text", "text": answer.text})
        content += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": orjson.loads(call.arguments)}
            for call in answer.tool_calls
        ]
        end = {"stop_reason": _STOPS[answer.reason], "stop_sequence": None, "usage": _usage(answer.usage)}
        return _message(request) | {"content": content} | end

    def error(self, trouble: Trouble) -> dict[str, Any]:
        # what Anthropic does not list is an invalid request below 500 and its own failure above
        kind = _TYPES.get(trouble.status, "invalid_request_error" if trouble.status < 500 else "api_error")
        shown = {"type": kind, "message": trouble.message or _TOPICS.get(trouble.topic, trouble.plain)}
        return {"type": "error", "error": shown, "request_id": "req_011CVn2xY4sT8uWq1zAbCdEf"}

    def error_frame(self, trouble: Trouble) -> bytes:
        body = self.error(trouble)
        del body["request_id"]
        return _named(body)

    def flat_error_frame(self, trouble: Trouble) -> bytes:
        return sse(self.error(trouble)["error"], event="error")

    def string_error_frame(self, message: str) -> bytes:
        return _named({"type": "error", "error": message})


def _message(request: dict[str, Any]) -> dict[str, Any]:
    return {"id": made_id("msg_01", request, 22), "type": "message", "role": "assistant", "model": request["model"]}


def _blocks(answer: Answer) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Give (block as it starts, its deltas); Anthropic writes one block after the other, parallel calls too."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if answer.reasoning:
        deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": text} for text in answer.reasoning]
        deltas.append({"type": "signature_delta", "signature": _SIGNATURE})
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if answer.texts:
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in answer.texts]))
    for call in answer.tool_calls:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *call.pieces)]
        blocks.append(({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, pieces))
    return blocks
