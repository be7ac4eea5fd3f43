"""What an answer says, as deltas: the key taken out, tool calls numbered, text that lies together joined."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from app.errors import InvalidProviderResponse, Origin
from app.providers.key_filter import KeyFilter
from app.providers.model import Delta, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.providers.told_text import Place, ToldText
from app.secret import Secret

MAX_CALLS: Final = 128
"""Tool calls of one answer; no model makes a tenth of it."""


class _Call:
    """One tool call of the answer."""

    __slots__ = ("arguments", "id", "index", "said")

    def __init__(self, index: int, id_: str | None, key: Secret | None) -> None:
        self.index = index
        self.id = id_
        self.arguments = KeyFilter(key)
        self.said = False
        """Whether any of its arguments has come."""


class Pieces:
    """Takes what one answer says, piece by piece; `ready` has the deltas that may be shown."""

    def __init__(self, key: Secret | None, origin: Origin) -> None:
        """Begin an answer in which `key` is never shown; `origin` is for errors."""
        self.ready: deque[Delta] = deque()
        self._key = key
        self._origin = origin
        self._text = KeyFilter(key)
        self._reasoning = KeyFilter(key)
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._told = ToldText()
        self._by_key: dict[int | str, _Call] = {}
        """The call that a wire's own number or id means now."""
        self._calls: list[_Call] = []

    def text(self, piece: str) -> None:
        """Take a piece of the answer."""
        if self._reasonings:
            self.flush()
        self._texts.append(piece)

    def text_at(self, place: Place, piece: str) -> None:
        """Take a piece of the answer that belongs to the part at `place`, on a wire that tells parts once more."""
        if piece:
            self._told.add(place, piece)
            self.text(piece)

    def whole_texts(self, parts: Mapping[Place, str]) -> None:
        """Take parts as they are told once more at their end: what came in pieces is not said again."""
        for piece in self._told.rest(parts):
            self.text(piece)

    def reasoning(self, piece: str) -> None:
        """Take a piece of what the model thinks."""
        if self._texts:
            self.flush()
        self._reasonings.append(piece)

    def call(self, key: int | str, id_: str | None, name: str | None, arguments: str) -> None:
        """Take a piece of the tool call that the wire calls `key`; another id under the same key is another call.

        Raises `InvalidProviderResponse` for too many calls.
        """
        self.flush()
        call = self._by_key.get(key)
        if call is None or (id_ and id_ != call.id):
            call = self._by_key[key] = self._new_call(id_)
            self._say(call, call.id, name or None, arguments)
        else:
            self._say(call, None, None, arguments)

    def more(self, key: int | str, arguments: str) -> None:
        """Take more of the call `key`; what belongs to no call, but to a tool that the provider runs, is left out."""
        if call := self._by_key.get(key):
            self.flush()
            self._say(call, None, None, arguments)

    def close(self, key: int | str) -> None:
        """Take the end of what the wire calls `key`; a call that ends without arguments has an empty object."""
        if (call := self._by_key.get(key)) and not call.said:
            self.flush()
            self._say(call, None, None, "{}")

    def whole_call(self, key: int | str, id_: str | None, name: str | None, arguments: str) -> None:
        """Take a call as it is told once more at its end: what came in pieces is not said again."""
        known = next((call for call in self._calls if id_ and call.id == id_), None) or self._by_key.get(key)
        if known is None:
            self.call(key, id_, name, arguments)
        elif not known.said:
            self.flush()
            self._say(known, None, None, arguments)

    def flush(self) -> None:
        """Make deltas of what has come; after each read, so that nothing waits for a second piece."""
        if self._texts:
            text = self._text.add("".join(self._texts))
            self._texts.clear()
            if text:
                self.ready.append(TextDelta(text))
        elif self._reasonings:
            text = self._reasoning.add("".join(self._reasonings))
            self._reasonings.clear()
            if text:
                self.ready.append(ReasoningTextDelta(text))

    def end(self) -> None:
        """Take the end of the answer: what was held back in case a key began there is shown."""
        self.flush()
        if held := self._reasoning.end():
            self.ready.append(ReasoningTextDelta(held))
        if held := self._text.end():
            self.ready.append(TextDelta(held))
        for call in self._calls:
            if held := call.arguments.end():
                self.ready.append(ToolCallPiece(call.index, None, None, held))

    def _new_call(self, id_: str | None) -> _Call:
        if len(self._calls) >= MAX_CALLS:
            message = f"{self._origin.label} called more than {MAX_CALLS} tools at once."
            raise InvalidProviderResponse(message, origin=self._origin)
        call = _Call(len(self._calls), id_ or None, self._key)
        self._calls.append(call)
        return call

    def _say(self, call: _Call, id_: str | None, name: str | None, arguments: str) -> None:
        call.said = call.said or bool(arguments)
        shown = call.arguments.add(arguments) if arguments else ""
        if id_ or name or shown:
            self.ready.append(ToolCallPiece(call.index, id_, name, shown))
