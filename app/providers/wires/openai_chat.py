"""OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat-streaming."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

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

FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,  # Together
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,  # Mistral
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


_LIST: Final[Any] = list
_OBJECT: Final[Any] = dict
"""What JSON's values are, for comparing their exact types: this is the hottest place of a stream."""
_OLD: Final = "function_call"
"""What an answer had one of before it had tool calls."""
_MORE: Final = ("reasoning_content", "reasoning", "refusal", "tool_calls", "function_call")
"""What a delta may have besides text."""


def _plain(event: Mapping[str, Any]) -> str | None:
    """Give the text of an event that says nothing else, as nearly all do; None for every other event.

    What follows of such an event is what `read` and `say` make of it, without looking for the rest.
    """
    choices: Any = event.get("choices")
    if type(choices) is not _LIST or len(choices) != 1:
        return None
    choice: Any = choices[0]
    if type(choice) is not _OBJECT or choice.get("finish_reason") or choice.get("index") or "message" in choice:
        return None
    delta: Any = choice.get("delta")
    if type(delta) is not _OBJECT or event.get("usage") or event.get("error") or event.get("x_groq"):
        return None
    content: Any = delta.get("content")
    if type(content) is not str or not content:
        return None
    if len(delta) > 1:
        for name in _MORE:
            if delta.get(name) is not None:
                return None
    return content


def read(event: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    """Take one event; give it back if it is an error object.

    The end is a `finish_reason`: gateways append `[DONE]` to cut answers too.
    """
    if _plain(event) is not None:
        return None
    if event.get("error") or ("choices" not in event and "message" in event):
        return event
    groq = table(event.get("x_groq"))
    if groq.get("error"):
        return groq
    for choice in first(rows(event.get("choices"))):
        reading.tools = reading.tools or any(map(_calls, (table(choice.get("delta")), table(choice.get("message")))))
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            if reason.lower() not in FINISH:
                return unknown_end(reason)
            # Several servers that speak this wire end tool calls with a plain stop.
            called = FINISH[reason.lower()] is FinishReason.STOP and reading.tools
            reading.finish = FinishReason.TOOL_CALLS if called else FINISH[reason.lower()]
    if usage := table(event.get("usage")) or table(groq.get("usage")):
        reading.usage = Usage(
            input=count(usage.get("prompt_tokens")),
            output=count(usage.get("completion_tokens")),
            cached=count(table(usage.get("prompt_tokens_details")).get("cached_tokens")),
            reasoning=count(table(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        )
    return None


def say(event: Mapping[str, Any], pieces: Pieces) -> None:
    """Put what one event adds to the answer into `pieces`; of several answers, the first."""
    plain = _plain(event)
    if plain is not None:
        pieces.text(plain)
        return
    for choice in first(rows(event.get("choices"))):
        delta = part(choice.get("delta"))
        if thought := _thought(delta):
            pieces.reasoning(thought)
        content = delta.get("content")
        if isinstance(content, list):
            _say_parts(cast("list[object]", content), pieces)
        # Some servers send the form of plain completions, others both, the same.
        elif piece := text(content) or text(choice.get("text")):
            pieces.text(piece)
        if refusal := text(delta.get("refusal")):
            pieces.text(refusal)
        if (calls := delta.get("tool_calls")) is not None:
            _say_calls(calls, pieces.call)
        if old := part(delta.get("function_call")):
            pieces.call(_OLD, None, string(old.get("name")), json_text(old.get("arguments")))
        _say_message(part(choice.get("message")), pieces)


def _say_message(message: Mapping[str, Any], pieces: Pieces) -> None:
    """Take a whole message, as a server sends it that does not stream, or at the end of one that does."""
    content = message.get("content")
    texts = _texts(cast("list[object]", content)) if isinstance(content, list) else (text(content),)
    pieces.whole_answer("".join((*texts, text(message.get("refusal")))), _thought(message))
    if (calls := message.get("tool_calls")) is not None:
        _say_calls(calls, pieces.whole_call)
    if old := part(message.get("function_call")):
        pieces.whole_call(_OLD, None, string(old.get("name")), json_text(old.get("arguments")))


def _calls(said: Mapping[str, Any]) -> bool:
    return bool(said.get("tool_calls") or said.get("function_call"))


def _thought(said: Mapping[str, Any]) -> str:
    # DeepSeek and others name it so; OpenRouter, Groq and vLLM call it reasoning; some send both, the same.
    return text(said.get("reasoning_content")) or text(said.get("reasoning"))


def _say_parts(content: object, pieces: Pieces) -> None:
    """Take content in parts, as Mistral's reasoning models send it."""
    for one in parts(content):
        if one.get("type") == "thinking":
            for thought in _texts(one.get("thinking")):
                pieces.reasoning(thought)
        elif piece := text(one.get("text")):
            pieces.text(piece)


def _texts(thinking: object) -> Iterator[str]:
    told = [{"text": thinking}] if isinstance(thinking, str) else parts(thinking)
    return (piece for one in told if (piece := text(one.get("text"))))


def _say_calls(calls: object, say_call: Callable[[int, str, str, str], None]) -> None:
    for place, call in enumerate(parts(calls)):
        index: object = call.get("index")
        function = part(call.get("function"))
        say_call(
            index if isinstance(index, int) else place,
            string(call.get("id")),
            string(function.get("name")),
            json_text(function.get("arguments")),
        )
