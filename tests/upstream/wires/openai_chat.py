"""OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat-streaming."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.events import Usage
from app.providers.provider import Wire
from tests.upstream.answer import Answer
from tests.upstream.frames import Frame, Part, fragments, made_id, sse
from tests.upstream.trouble import Topic, Trouble

_CREATED: Final = 1_795_000_000

_EMPTY: Final[dict[str, Any]] = {
    "id": "chatcmpl-0",
    "object": "chat.completion.chunk",
    "created": _CREATED,
    "model": "m",
    "choices": [{"index": 0, "delta": {}, "finish_reason": None}],
}

_TYPES: Final[Mapping[int, tuple[str, str | None]]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    502: ("server_error", None),
    503: ("server_error", None),
    504: ("server_error", None),
    529: ("server_error", None),
}

_TOPICS: Final[Mapping[Topic, tuple[str, str, str | None, str | None]]] = {
    # topic: message, type, param, code
    Topic.CONTEXT: (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        "invalid_request_error",
        "messages",
        "context_length_exceeded",
    ),
    Topic.POLICY: (
        "Your request was rejected as a result of our safety system.",
        "invalid_request_error",
        None,
        "content_policy_violation",
    ),
    Topic.QUOTA: (
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        None,
        "insufficient_quota",
    ),
    Topic.MODEL: (
        "The model `nope` does not exist or you do not have access to it.",
        "invalid_request_error",
        None,
        "model_not_found",
    ),
    Topic.KEY: (
        "Incorrect API key provided: sk-te***. You can find your API key in your account settings.",
        "invalid_request_error",
        None,
        "invalid_api_key",
    ),
}


def error_object(trouble: Trouble) -> dict[str, Any]:
    """Give OpenAI's error object, which its two wires share."""
    if trouble.topic is Topic.PLAIN:
        kind, code = _TYPES.get(trouble.status, ("invalid_request_error", None))
        return {"message": trouble.plain, "type": kind, "param": None, "code": code}
    message, kind, param, code = _TOPICS[trouble.topic]
    return {"message": trouble.message or message, "type": kind, "param": param, "code": code}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class OpenaiChat:
    wire = Wire.OPENAI_CHAT
    content_type = "text/event-stream; charset=utf-8"
    pings: Sequence[bytes] = (
        b": OPENROUTER PROCESSING\n\n",
        sse(_EMPTY),
    )

    def frames(self, answer: Answer, request: dict[str, Any]) -> Sequence[Frame]:
        options: dict[str, Any] = request.get("stream_options") or {}
        wants_usage = bool(options.get("include_usage"))
        head = {
            "id": made_id("chatcmpl-", request, 29),
            "object": "chat.completion.chunk",
            "created": _CREATED,
            "model": request["model"],
            "service_tier": "default",
            "system_fingerprint": "fp_7a1c9b0d2e",
        }
        tail: dict[str, Any] = {"usage": None} if wants_usage else {}

        def chunk(part: Part, delta: dict[str, Any], finish: str | None = None) -> Frame:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return Frame(part, sse(head | {"choices": [choice]} | tail))

        content = None if answer.tool_calls and not answer.texts else ""
        frames = [chunk(Part.OPEN, {"role": "assistant", "content": content, "refusal": None})]
        frames += [chunk(Part.CONTENT, {"reasoning_content": text}) for text in answer.reasoning]
        frames += [chunk(Part.CONTENT, {"content": text}) for text in answer.texts]
        frames += [chunk(Part.CONTENT, {"tool_calls": [delta]}) for delta in _tool_deltas(answer)]
        frames.append(chunk(Part.FINISH, {}, answer.reason.value))
        if wants_usage and answer.usage:
            report: dict[str, Any] = {"choices": [], "usage": _usage(answer.usage)}
            frames.append(Frame(Part.USAGE, sse(head | report)))
        return [*frames, Frame(Part.END, b"data: [DONE]\n\n")]

    def whole(self, answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
        if answer.tool_calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in answer.tool_calls
            ]
        return {
            "id": made_id("chatcmpl-", request, 29),
            "object": "chat.completion",
            "created": _CREATED,
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.reason.value}],
            "usage": _usage(answer.usage) if answer.usage else None,
        }

    def error(self, trouble: Trouble) -> dict[str, Any]:
        return {"error": error_object(trouble)}

    def error_frame(self, trouble: Trouble) -> bytes:
        shown = error_object(trouble)
        if trouble.status < 500:
            shown["code"] = trouble.status  # as the gateways do that relay another provider's refusal
        return sse({"error": shown})

    def flat_error_frame(self, trouble: Trouble) -> bytes:
        fields = {"message": trouble.plain, "type": "BadGatewayError", "param": None, "code": trouble.status}
        return sse({"object": "error"} | fields)

    def string_error_frame(self, message: str) -> bytes:
        return sse({"error": message})


def _tool_deltas(answer: Answer) -> list[dict[str, Any]]:
    """Id and name come with a call's first fragment only, all that follows has index and arguments."""
    calls = answer.tool_calls
    opened: set[int] = set()
    deltas: list[dict[str, Any]] = []

    def open_call(index: int) -> None:
        opened.add(index)
        function = {"name": calls[index].name, "arguments": ""}
        deltas.append({"index": index, "id": calls[index].id, "type": "function", "function": function})

    for index, piece in fragments(calls, interleaved=answer.interleaved):
        if index not in opened:
            open_call(index)
        deltas.append({"index": index, "function": {"arguments": piece}})
    for index in range(len(calls)):
        if index not in opened:
            open_call(index)
    return deltas
