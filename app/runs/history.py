"""Stored messages -> what the model is sent; always a conversation that every provider accepts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import orjson

from app.db.models import Message
from app.errors import ContextLengthExceeded
from app.events import RunStatus
from app.providers.model import ChatMessage, ToolCall
from app.runs.tools.told import shortened

NOT_RUN: Final = '{"error": "This tool call was not run."}'
"""The result of a call that has none: without one the provider refuses every later message."""


@dataclass(slots=True)
class _Turn:
    """One message, and the results of its tool calls as they are found."""

    message: ChatMessage
    results: dict[str, ChatMessage] = field(default_factory=dict[str, ChatMessage])


def to_chat_messages(
    stored: Iterable[Message], system_prompt: str, *, result_chars: int | None = None
) -> tuple[ChatMessage, ...]:
    """Give the messages in the order of `seq`, the system prompt first.

    Left out are the placeholder of the run itself, assistant messages with nothing in them, calls that cannot be
    read (cut off, or without id) and results that belong to no call. The results of a message's calls follow it
    at once, in the order of the calls, each cut to `result_chars`.
    """
    turns: list[_Turn] = []
    for row in sorted(stored, key=lambda row: row.seq):
        match row.role:
            case "user":
                turns.append(_Turn(ChatMessage(role="user", content=row.content)))
            case "assistant" if _was_too_long(row) and turns and turns[-1].message.role == "user":
                # The question never reached a model, and would keep everything before it from this one.
                turns.pop()
            case "assistant" if row.status != RunStatus.RUNNING:
                calls = tuple(_readable(row.tool_calls))
                if calls or row.content.strip():
                    turns.append(_Turn(ChatMessage(role="assistant", content=row.content, tool_calls=calls)))
            case "tool":
                _attach(row, turns, result_chars)
            case _:
                pass
    system = ChatMessage(role="system", content=system_prompt)
    return (system, *(message for turn in turns for message in _with_results(turn)))


def _was_too_long(row: Message) -> bool:
    error = row.error or {}
    return error.get("error_category") == ContextLengthExceeded.code and not row.content


def _readable(stored: object) -> Iterator[ToolCall]:
    """Give the usable calls of a stored list in OpenAI's form, each id once."""
    seen: set[str] = set()
    for item in cast("Sequence[object]", stored) if isinstance(stored, list) else ():
        match item:
            case {"id": str(id_), "function": {"name": str(name), "arguments": str(arguments)}} if (
                id_ and name and id_ not in seen and _is_object(arguments or "{}")
            ):
                seen.add(id_)
                yield ToolCall(id=id_, name=name, arguments=arguments or "{}")
            case _:
                pass


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), Mapping)
    except orjson.JSONDecodeError:
        return False


def _attach(row: Message, turns: Sequence[_Turn], chars: int | None) -> None:
    """Give a result to the newest message that waits for it; ids may come back in later messages."""
    for turn in reversed(turns):
        name = next((call.name for call in turn.message.tool_calls if call.id == row.tool_call_id), None)
        if name is None:
            continue
        content = row.content if chars is None else shortened(row.content, chars)
        result = ChatMessage(role="tool", content=content, tool_call_id=row.tool_call_id, name=name)
        turn.results.setdefault(str(row.tool_call_id), result)
        return


def _with_results(turn: _Turn) -> Iterator[ChatMessage]:
    yield turn.message
    for call in turn.message.tool_calls:
        missing = ChatMessage(role="tool", content=NOT_RUN, tool_call_id=call.id, name=call.name)
        yield turn.results.get(call.id, missing)
