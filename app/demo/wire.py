"""A script on OpenAI's chat wire: the chunks of a stream, or one body.

Source: the published API reference of Chat Completions ("object": "chat.completion" and "chat.completion.chunk").
"""

import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from app.demo.script import Script

_ARGUMENT_PIECE: Final = 9
"""Characters of a tool call's arguments in one chunk: several, so that parallel calls interleave."""

_REFUSALS: Final = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("insufficient_quota", "insufficient_balance", "Insufficient balance."),
    403: ("permission_error", "permission_denied", "This key may not use this model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again in 2s."),
    500: ("server_error", None, "The server had an error while processing your request."),
    502: ("server_error", None, "Bad gateway."),
    503: ("server_error", None, "The engine is currently not available."),
    529: ("overloaded_error", None, "Overloaded."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer with what all its chunks repeat."""

    script: Script
    model: str
    prompt_words: int
    id: str = field(default_factory=lambda: f"chatcmpl-demo-{uuid.uuid4().hex[:12]}")
    created: int = field(default_factory=lambda: int(time.time()))

    def deltas(self) -> Iterator[dict[str, Any]]:
        """Give what each chunk adds, in the order of the wire."""
        yield {"role": "assistant", "content": ""}
        for word in words_of(self.script.reasoning):
            yield {"reasoning_content": word}
        for word in words_of(self.script.text):
            yield {"content": word}
        yield from self._tool_deltas()

    def _tool_deltas(self) -> Iterator[dict[str, Any]]:
        calls = self.script.calls
        for index, call in enumerate(calls):
            function = {"name": call.name, "arguments": ""}
            yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        longest = max((len(call.arguments) for call in calls), default=0)
        for start in range(0, longest, _ARGUMENT_PIECE):
            for index, call in enumerate(calls):
                if piece := call.arguments[start : start + _ARGUMENT_PIECE]:
                    yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        """Wrap a delta into a chunk."""
        return self._head("chat.completion.chunk") | {
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
        }

    def usage_chunk(self) -> dict[str, Any]:
        """Give the chunk that `stream_options.include_usage` asks for."""
        return self._head("chat.completion.chunk") | {"choices": [], "usage": self._usage()}

    def body(self) -> dict[str, Any]:
        """Give the answer of a request that does not stream."""
        script = self.script
        message: dict[str, Any] = {"role": "assistant", "content": script.text or None}
        if script.reasoning:
            message["reasoning_content"] = script.reasoning
        if script.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in script.calls
            ]
        choice = {"index": 0, "message": message, "finish_reason": script.finish_reason}
        return self._head("chat.completion") | {"choices": [choice], "usage": self._usage()}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _usage(self) -> dict[str, Any]:
        reasoning = len(words_of(self.script.reasoning))
        written = len(words_of(self.script.text)) + sum(len(call.arguments) // 4 for call in self.script.calls)
        return {
            "prompt_tokens": self.prompt_words,
            "completion_tokens": reasoning + written,
            "total_tokens": self.prompt_words + reasoning + written,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }


def words_of(text: str) -> list[str]:
    """Split text into words that add up to it again; the demo counts a word as a token."""
    return re.findall(r"\S+\s*", text)


def refusal(status: int) -> dict[str, Any]:
    """Give OpenAI's error body for one of the statuses that can be asked for."""
    kind, code, message = _REFUSALS[status]
    return problem(message, kind=kind, code=code)


def problem(message: str, *, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    """Give an error body in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
