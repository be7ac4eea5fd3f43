"""Ollama chat, newline-delimited JSON: https://github.com/ollama/ollama/blob/main/docs/api.md."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from app.events import FinishReason
from app.providers.provider import Wire
from tests.upstream.answer import Answer
from tests.upstream.frames import Frame, Part, ndjson
from tests.upstream.trouble import Topic, Trouble

_TOPICS: Final[Mapping[Topic, str]] = {
    Topic.CONTEXT: "the input length exceeds the context length",
    Topic.POLICY: "the request was blocked by the content policy",
    Topic.QUOTA: "you've reached your daily usage limit, please upgrade to continue",
    Topic.MODEL: "model 'nope' not found",
    Topic.KEY: "unauthorized",
}


class Ollama:
    wire = Wire.OLLAMA
    content_type = "application/x-ndjson"
    pings: Sequence[bytes] = (b"\n",)

    def frames(self, answer: Answer, request: dict[str, Any]) -> Sequence[Frame]:
        def line(**message: Any) -> Frame:
            shown = {"role": "assistant", "content": ""} | message
            return Frame(Part.CONTENT, ndjson(_head(request) | {"message": shown, "done": False}))

        frames = [line(thinking=text) for text in answer.reasoning]
        frames += [line(content=text) for text in answer.texts]
        calls = _calls(answer)
        if calls:
            groups = [[call] for call in calls] if answer.interleaved else [calls]
            frames += [line(tool_calls=group) for group in groups]
        end = _head(request) | {"message": {"role": "assistant", "content": ""}} | _end(answer)
        return [*frames, Frame(Part.FINISH, ndjson(end))]

    def whole(self, answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text}
        if answer.tool_calls:
            message["tool_calls"] = _calls(answer)
        return _head(request) | {"message": message} | _end(answer)

    def error(self, trouble: Trouble) -> dict[str, Any]:
        return {"error": trouble.message or _TOPICS.get(trouble.topic, trouble.plain)}

    def error_frame(self, trouble: Trouble) -> bytes:
        return ndjson(self.error(trouble))

    def flat_error_frame(self, trouble: Trouble) -> bytes:
        return self.error_frame(trouble)  # Ollama has one form only

    def string_error_frame(self, message: str) -> bytes:
        return ndjson({"error": message})


def _head(request: dict[str, Any]) -> dict[str, Any]:
    return {"model": request["model"], "created_at": "2026-11-22T10:00:00.123456789Z"}


def _calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"function": {"index": index, "name": call.name, "arguments": orjson.loads(call.arguments)}}
        for index, call in enumerate(answer.tool_calls)
    ]


def _end(answer: Answer) -> dict[str, Any]:
    """Tool calls end with a plain stop, and there is no word for a content filter."""
    end: dict[str, Any] = {
        "done": True,
        "done_reason": "length" if answer.reason is FinishReason.LENGTH else "stop",
        "total_duration": 4_883_583_458,
        "load_duration": 1_334_875,
    }
    if answer.usage:
        end |= {"prompt_eval_count": answer.usage.input, "prompt_eval_duration": 342_546_000}
        end |= {"eval_count": answer.usage.output, "eval_duration": 4_535_599_000}
    return end
