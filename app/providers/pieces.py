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
_ALL: Final[Place] = (-1, -1)
"""Where the text of the whole answer stands, beside its parts."""


class _Call:
    """One tool call of the answer."""

    __slots__ = ("arguments", "id", "index", "name", "told")

    def __init__(self, index: int, key: Secret | None) -> None:
        self.index = index
        self.id: str | None = None
        self.name: str | None = None
        self.arguments = KeyFilter(key)
        self.told: list[str] = []
        """Its arguments as they came."""


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
        self._thought = False
        """Whether any reasoning has come."""
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

    def whole_answer(self, text: str, reasoning: str) -> None:
        """Take the answer as it is told once more, or for the first time: what came in pieces is not said again."""
        if reasoning and not self._thought:
            self.reasoning(reasoning)
        self.flush()
        for piece in self._told.rest({_ALL: text}):
            self.text(piece)

    def reasoning(self, piece: str) -> None:
        """Take a piece of what the model thinks."""
        self._thought = True
        if self._texts:
            self.flush()
        self._reasonings.append(piece)

    def call(self, key: int | str, id_: str | None, name: str | None, arguments: str) -> None:
        """Take a piece of the tool call that the wire calls `key`; another id under the same key is another call.

        Id and name may come with a later piece than the first. Raises `InvalidProviderResponse` for too many calls.
        """
        self.flush()
        call = self._by_key.get(key)
        if call is None or _is_another(call, id_, name):
            call = self._by_key[key] = self._new_call()
        self._say(call, id_, name, arguments)

    def lone_call(self, id_: str, name: str, arguments: str) -> None:
        """Take a call that comes whole and is never told again: two with the same id are two.

        Raises `InvalidProviderResponse` for too many calls.
        """
        self.flush()
        self._say(self._new_call(), id_, name, arguments)

    def more(self, key: int | str, arguments: str) -> None:
        """Take more of the call `key`; what belongs to no call, but to a tool that the provider runs, is left out."""
        if call := self._by_key.get(key):
            self.flush()
            self._say(call, None, None, arguments)

    def close(self, key: int | str) -> None:
        """Take the end of what the wire calls `key`; a call that ends without arguments has an empty object."""
        if (call := self._by_key.get(key)) and not call.told:
            self.flush()
            self._say(call, None, None, "{}")

    def whole_call(self, key: int | str, id_: str | None, name: str | None, arguments: str) -> None:
        """Take a call as it is told once more at its end: what came in pieces is not said again.

        Arguments that differ from their pieces add nothing: servers write the same JSON in several ways, and pieces
        that are not whole are told as such.
        """
        known = next((call for call in self._calls if id_ and call.id == id_), None) or self._by_key.get(key)
        if known is None:
            self.call(key, id_, name, arguments)
        else:
            self.flush()
            self._say(known, id_, name, _rest(known, arguments))

    def whole_arguments(self, key: int | str, arguments: str) -> None:
        """Take the arguments of the call `key` as they are told once more; of no call nothing, as in `more`."""
        if call := self._by_key.get(key):
            self.flush()
            self._say(call, None, None, _rest(call, arguments))

    def flush(self) -> None:
        """Make deltas of what has come; after each read, so that nothing waits for a second piece."""
        if self._texts:
            told = "".join(self._texts)
            self._texts.clear()
            self._told.add(_ALL, told)
            if text := self._text.add(told):
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

    def _new_call(self) -> _Call:
        if len(self._calls) >= MAX_CALLS:
            message = f"{self._origin.label} called more than {MAX_CALLS} tools at once."
            raise InvalidProviderResponse(message, origin=self._origin)
        call = _Call(len(self._calls), self._key)
        self._calls.append(call)
        return call

    def _say(self, call: _Call, id_: str | None, name: str | None, arguments: str) -> None:
        """Say of a piece what is new; the first id and the first name of a call stand."""
        new_id = None if call.id else id_ or None
        new_name = None if call.name else name or None
        call.id, call.name = call.id or new_id, call.name or new_name
        if arguments:
            call.told.append(arguments)
        shown = call.arguments.add(arguments) if arguments else ""
        if new_id or new_name or shown:
            self.ready.append(ToolCallPiece(call.index, new_id, new_name, shown))


def _is_another(call: _Call, id_: str | None, name: str | None) -> bool:
    """Tell whether a piece under the key of `call` begins another one; an id may be late, but not behind two names."""
    if not id_ or id_ == call.id:
        return False
    return bool(call.id or (name and call.name))


def _rest(call: _Call, whole: str) -> str:
    """Give what `whole` has beyond the arguments that came in pieces; nothing where it differs from them."""
    told = "".join(call.told)
    return whole[len(told) :] if whole.startswith(told) else ""
