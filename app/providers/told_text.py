"""The text of an answer that is told twice: in pieces, and once more when its part, its item and the answer end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

Place = tuple[int, int]
"""The output item that a part of the text belongs to, and which part of the item it is."""
_PAIRS: Final = "utf-16-le"


class ToldText:
    """Remembers what was given of each part, and gives of a whole part what was not."""

    def __init__(self) -> None:
        """Begin an answer that has said nothing."""
        self._pieces: dict[Place, list[str]] = {}
        self._checked: set[Place] = set()
        """The parts that were told once more under the place they began with."""

    def add(self, place: Place, piece: str) -> None:
        """Note a piece of the part at `place`; it has been given."""
        self._pieces.setdefault(place, []).append(piece)

    def rest(self, wholes: Mapping[Place, str]) -> Iterator[str]:
        """Give what was not given of the parts `wholes`, and note it; a part that differs from its pieces adds nothing.

        A part that no piece named may have come under another place, as some servers count places differently while
        they stream: the same text under a place that nothing else told again is that part.
        """
        places = wholes.keys()
        for place, whole in wholes.items():
            told = self._joined(place)
            if not told and whole and (other := self._elsewhere(whole, places)) is not None:
                self._checked.add(other)
                continue
            self._checked.add(place)
            if len(whole) > len(told) and whole.startswith(told):
                piece = whole[len(told) :]
                self.add(place, piece)
                yield piece

    def _elsewhere(self, whole: str, places: Iterable[Place]) -> Place | None:
        free = self._pieces.keys() - self._checked - set(places)
        return next((place for place in free if self._joined(place) == whole), None)

    def _joined(self, place: Place) -> str:
        """Join the pieces so far, where halves of a surrogate pair may lie in two of them."""
        pieces = self._pieces.get(place)
        if not pieces:
            return ""
        text = "".join(pieces)
        if not text.isascii():
            text = text.encode(_PAIRS, "surrogatepass").decode(_PAIRS, "surrogatepass")
        pieces[:] = [text]
        return text
