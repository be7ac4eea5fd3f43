"""Deltas folded into the message they add up to; pure, and constant work per delta."""

import json
from dataclasses import dataclass, field
from typing import Any, Final, final

import orjson
import pydantic_core

from app.events import FinishReason, Usage
from app.providers.model import Delta, Finish, ReasoningTextDelta, TextDelta, ToolCallPiece, UsageReport
from app.runs.surrogates import SurrogateJoiner, whole


@final
class _Text:
    """A text that arrives in pieces."""

    __slots__ = ("_joiner", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._joiner = SurrogateJoiner()

    def add(self, piece: str) -> str:
        if not self._joiner.holds and piece.isascii() and "\x00" not in piece:
            self._pieces.append(piece)
            return piece
        return self._keep(self._joiner.feed(piece))

    def end(self) -> str:
        return self._keep(self._joiner.end())

    def _keep(self, piece: str) -> str:
        piece = _storable(piece)
        if piece:
            self._pieces.append(piece)
        return piece

    @property
    def value(self) -> str:
        return "".join(self._pieces)


@dataclass(slots=True)
class _Call:
    id: str | None = None
    name: str | None = None
    arguments: _Text = field(default_factory=_Text)

    def as_dict(self, index: int) -> dict[str, Any]:
        function = {"name": self.name or "", "arguments": self.arguments.value}
        return {"id": self.id or f"call_{index}", "type": "function", "function": function}


@final
class Draft:
    """The message as far as it has arrived."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.usage: Usage | None = None
        self.finish: FinishReason | None = None
        self._text = _Text()
        self._reasoning = _Text()
        self._calls: dict[int, _Call] = {}

    def add_text(self, text: str) -> str:
        """Do what `add` does, for text alone."""
        return self._text.add(text)

    def add(self, delta: Delta) -> Delta | None:
        """Fold one delta; give what of it can be shown by now, which is less while half a character is missing."""
        match delta:
            case TextDelta(text):
                shown = self._text.add(text)
                return TextDelta(shown) if shown else None
            case ReasoningTextDelta(text):
                shown = self._reasoning.add(text)
                return ReasoningTextDelta(shown) if shown else None
            case ToolCallPiece():
                return self._add_piece(delta)
            case UsageReport(usage):
                self.usage = usage
            case Finish(reason):
                self.finish = reason
        return None

    def _add_piece(self, piece: ToolCallPiece) -> ToolCallPiece | None:
        call = self._calls.setdefault(piece.index, _Call())
        id_, name = (_storable(whole(text)) if text else None for text in (piece.id, piece.name))
        call.id = call.id or id_
        call.name = call.name or name
        arguments = call.arguments.add(piece.arguments)
        return ToolCallPiece(piece.index, id_, name, arguments) if id_ or name or arguments else None

    def end(self) -> tuple[Delta, ...]:
        """Give what was held back, to be shown too; nothing follows, whether the answer is finished or not."""
        text, reasoning = self._text.end(), self._reasoning.end()
        pieces = ((index, call.arguments.end()) for index, call in sorted(self._calls.items()))
        return (
            *([TextDelta(text)] if text else ()),
            *([ReasoningTextDelta(reasoning)] if reasoning else ()),
            *(ToolCallPiece(index, None, None, arguments) for index, arguments in pieces if arguments),
        )

    @property
    def message_content(self) -> str:
        """The answer's text."""
        return self._text.value

    @property
    def reasoning(self) -> str:
        """The model's reasoning; shown, but not stored."""
        return self._reasoning.value

    def tool_calls_json(self) -> list[dict[str, Any]] | None:
        """Give the tool calls in OpenAI's form, in the order of their index; None where there are none."""
        return [call.as_dict(index) for index, call in self._made()] or None

    @property
    def tool_calls_whole(self) -> bool:
        """Whether every call has a name and arguments that are JSON; none at all count as an empty object."""
        return all(call.name and is_json(call.arguments.value) for _, call in self._made())

    @property
    def tool_calls_broken(self) -> bool:
        """Whether a call has arguments that no further piece could have made JSON: they were not cut, but wrong."""
        return any(is_broken_json(call.arguments.value) for _, call in self._made())

    def _made(self) -> list[tuple[int, _Call]]:
        """Give the calls of which anything was said, in the order of their index."""
        return [(at, call) for at, call in sorted(self._calls.items()) if call.id or call.name or call.arguments.value]


def is_json(text: str) -> bool:
    """Tell whether a call's arguments can be read."""
    try:
        orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return False
    return True


_DECODER: Final = json.JSONDecoder()


def is_broken_json(text: str) -> bool:
    """Tell whether `text` cannot be the beginning of JSON; in doubt it can."""
    begun = text.strip()
    if not begun:
        return False
    try:
        pydantic_core.from_json(begun, allow_partial="trailing-strings")
    except ValueError:
        return True
    try:
        # The parser of beginnings does not look at what stands behind a whole value.
        return _DECODER.raw_decode(begun)[1] < len(begun)
    except ValueError:
        return False


def _storable(text: str) -> str:
    # PostgreSQL cannot store U+0000, so what is shown does not have it either.
    return text.replace("\x00", "\ufffd")
