"""OpenAI Responses: https://platform.openai.com/docs/api-reference/responses-streaming."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from tests.upstream.answer import Answer
from tests.upstream.frames import Frame, Part, fragments, made_id, sse
from tests.upstream.trouble import Trouble
from tests.upstream.wires.openai_chat import error_object

_CREATED: Final = 1_795_000_000
_INCOMPLETE: Final[Mapping[FinishReason, str]] = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}


class OpenaiResponses:
    wire = Wire.OPENAI_RESPONSES
    content_type = "text/event-stream; charset=utf-8"
    pings: Sequence[bytes] = (b": keep-alive\n\n",)

    def frames(self, answer: Answer, request: dict[str, Any]) -> Sequence[Frame]:
        writer = _Writer(answer, request)
        writer.emit(Part.OPEN, "response.created", response=_response(request, "in_progress"))
        writer.emit(Part.OPEN, "response.in_progress", response=_response(request, "in_progress"))
        if answer.reasoning:
            writer.reasoning()
        if answer.texts:
            writer.message()
        if answer.interleaved:
            writer.calls(range(len(answer.tool_calls)))
        else:
            for index in range(len(answer.tool_calls)):
                writer.calls([index])
        ended = _ended(answer, request, writer.output)
        writer.emit(Part.FINISH, f"response.{ended['status']}", response=ended)
        return writer.written

    def whole(self, answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
        writer = _Writer(answer, request)
        if answer.reasoning:
            writer.reasoning()
        if answer.texts:
            writer.message()
        writer.calls(range(len(answer.tool_calls)))
        return _ended(answer, request, writer.output)

    def error(self, trouble: Trouble) -> dict[str, Any]:
        return {"error": error_object(trouble)}

    def error_frame(self, trouble: Trouble) -> bytes:
        code = "rate_limit_exceeded" if trouble.status == 429 else "server_error"
        event = {"type": "error", "code": code, "message": trouble.plain, "param": None, "sequence_number": 9}
        return sse(event, event="error")

    def flat_error_frame(self, trouble: Trouble) -> bytes:
        failed = _response({"model": "m"}, "failed") | {"error": {"code": "server_error", "message": trouble.plain}}
        return sse({"type": "response.failed", "sequence_number": 9, "response": failed}, event="response.failed")

    def string_error_frame(self, message: str) -> bytes:
        return sse({"type": "error", "error": message, "sequence_number": 9}, event="error")


class _Writer:
    """Numbers the events and keeps the finished output items."""

    def __init__(self, answer: Answer, request: dict[str, Any]) -> None:
        self.written: list[Frame] = []
        self.output: list[dict[str, Any]] = []
        self._answer = answer
        self._request = request

    def emit(self, role: Part, kind: str, /, **fields: Any) -> None:
        event = {"type": kind, "sequence_number": len(self.written)} | fields
        self.written.append(Frame(role, sse(event, event=kind)))

    def _open(self, index: int, item: dict[str, Any]) -> None:
        self.emit(Part.OPEN, "response.output_item.added", output_index=index, item=item)

    def _close(self, index: int, item: dict[str, Any]) -> None:
        self.emit(Part.CLOSE, "response.output_item.done", output_index=index, item=item)
        self.output.append(item)

    def reasoning(self) -> None:
        index = len(self.output)
        item: dict[str, Any] = {"id": made_id("rs_", self._request, 48), "type": "reasoning", "summary": []}
        where = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        whole = "".join(self._answer.reasoning)
        kind = "response.reasoning_summary"
        self._open(index, item)
        self.emit(Part.OPEN, f"{kind}_part.added", **where, part={"type": "summary_text", "text": ""})
        for text in self._answer.reasoning:
            self.emit(Part.CONTENT, f"{kind}_text.delta", **where, delta=text, obfuscation="x7Qa")
        self.emit(Part.CLOSE, f"{kind}_text.done", **where, text=whole)
        part = {"type": "summary_text", "text": whole}
        self.emit(Part.CLOSE, f"{kind}_part.done", **where, part=part)
        self._close(index, item | {"summary": [part]})

    def message(self) -> None:
        index = len(self.output)
        item: dict[str, Any] = {"id": made_id("msg_", self._request, 48), "type": "message", "role": "assistant"}
        where = {"item_id": item["id"], "output_index": index, "content_index": 0}
        part: dict[str, Any] = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        self._open(index, item | {"status": "in_progress", "content": []})
        self.emit(Part.OPEN, "response.content_part.added", **where, part=part)
        for text in self._answer.texts:
            self.emit(Part.CONTENT, "response.output_text.delta", **where, delta=text, logprobs=[], obfuscation="x7Qa")
        part = part | {"text": self._answer.text}
        self.emit(Part.CLOSE, "response.output_text.done", **where, text=self._answer.text, logprobs=[])
        self.emit(Part.CLOSE, "response.content_part.done", **where, part=part)
        status = "incomplete" if self._answer.reason in _INCOMPLETE else "completed"
        self._close(index, item | {"status": status, "content": [part]})

    def calls(self, indexes: Sequence[int]) -> None:
        """Write these tool calls with their fragments alternating."""
        calls = [self._answer.tool_calls[index] for index in indexes]
        first = len(self.output)
        items = [
            {
                "id": made_id(f"fc_{index}", self._request, 46),
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
            }
            for index, call in zip(indexes, calls, strict=True)
        ]
        kind = "response.function_call_arguments"
        for turn, item in enumerate(items):
            self._open(first + turn, item | {"status": "in_progress", "arguments": ""})
        for turn, piece in fragments(calls, interleaved=True):
            where = {"item_id": items[turn]["id"], "output_index": first + turn}
            self.emit(Part.CONTENT, f"{kind}.delta", **where, delta=piece, obfuscation="x7Qa")
        for turn, (call, item) in enumerate(zip(calls, items, strict=True)):
            where = {"item_id": item["id"], "output_index": first + turn}
            self.emit(Part.CLOSE, f"{kind}.done", **where, name=call.name, arguments=call.arguments)
            self._close(first + turn, item | {"status": "completed", "arguments": call.arguments})


def _response(request: dict[str, Any], status: str) -> dict[str, Any]:
    return {
        "id": made_id("resp_", request, 48),
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": request["model"],
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
        "metadata": {},
    }


def _ended(answer: Answer, request: dict[str, Any], output: list[dict[str, Any]]) -> dict[str, Any]:
    reason = _INCOMPLETE.get(answer.reason)
    ended = _response(request, "incomplete" if reason else "completed")
    ended["output"] = output
    ended["incomplete_details"] = {"reason": reason} if reason else None
    ended["usage"] = _usage(answer.usage) if answer.usage else None
    return ended


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
