"""Repair of text that was cut inside a UTF-16 pair."""

from typing import Final, final

_HIGH_FIRST: Final = "\ud800"
_HIGH_LAST: Final = "\udbff"


@final
class SurrogateJoiner:
    r"""Joins the halves of a character that came in two pieces.

    A provider that escapes an emoji as `\ud83d\ude00` may put the halves into two events; each half alone is no
    character and cannot be encoded. A half without its partner becomes U+FFFD.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        """Hold nothing back yet."""
        self._held = ""

    @property
    def holds(self) -> bool:
        """Whether half a character is held back."""
        return bool(self._held)

    def feed(self, text: str) -> str:
        """Take the next piece; give what is whole by now, perhaps nothing."""
        if not self._held and text.isascii():
            return text
        text = self._held + text
        self._held = text[-1] if text and _HIGH_FIRST <= text[-1] <= _HIGH_LAST else ""
        return whole(text[: len(text) - len(self._held)])

    def end(self) -> str:
        """Give what is still held back; nothing follows."""
        held, self._held = self._held, ""
        return whole(held)


def whole(text: str) -> str:
    """Give `text` with paired halves joined and lone ones replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
