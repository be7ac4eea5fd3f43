"""The forms in which an upstream may send a key back, and where they stand in a text."""

import base64
import json
import re
from typing import Final, final

from app.secret import SECRET_CHARS, Secret

_LETTER: Final = re.compile(r"%([0-9A-Fa-f]{2})|.", re.DOTALL)
"""One character, as it is or percent-encoded (RFC 3986, section 2.1)."""


@final
class KeyEcho:
    """Finds one key, in any form and in many texts."""

    def __init__(self, key: Secret | None) -> None:
        """Look for `key`; None, or one too short to be a secret, is found nowhere."""
        self._key = key if key is not None and len(key.reveal()) >= SECRET_CHARS else None
        self._forms = () if self._key is None else _forms(self._key.reveal())

    def stands_in(self, text: str) -> bool:
        """Tell whether `text` contains the key."""
        if any(form in text for form in self._forms):
            return True
        return "%" in text and self.hide(text, "") != text

    def hide(self, text: str, hidden: str, *, cut: bool = False) -> str:
        """Give `text` with `hidden` in the place of the key; in `cut` text also of a beginning of it at the end."""
        if self._key is None:
            return text
        value = self._key.reveal()
        for form in self._forms:
            text = text.replace(form, hidden)
        if "%" in text:
            text = _hide_encoded(text, value, hidden)
        return _hide_beginning(text, value, hidden) if cut else text


def _forms(value: str) -> tuple[str, ...]:
    encoded = base64.b64encode(value.encode()).decode()
    return (value, json.dumps(value)[1:-1], encoded, encoded.rstrip("="))


def _hide_encoded(text: str, value: str, hidden: str) -> str:
    """Hide `value` where any of its characters are percent-encoded, in capitals or not."""
    letters = list(_LETTER.finditer(text))
    read = "".join(chr(int(letter[1], 16)) if letter[1] else letter[0] for letter in letters)
    kept: list[str] = []
    after = 0
    while (place := read.find(value, after)) >= 0:
        kept += [*(letter[0] for letter in letters[after:place]), hidden]
        after = place + len(value)
    return "".join([*kept, *(letter[0] for letter in letters[after:])])


def _hide_beginning(text: str, value: str, hidden: str) -> str:
    """Hide a key that the end of `text` has cut."""
    for size in range(min(len(value) - 1, len(text)), SECRET_CHARS - 1, -1):
        if text.endswith(value[:size]):
            return text[:-size] + hidden
    return text
