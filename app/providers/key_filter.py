"""Takes a key out of text that comes in pieces, as a provider that echoes it would send it."""

from typing import Final

from app.secret import SECRET_CHARS, Secret

HIDDEN: Final = "[…]"


class KeyFilter:
    """Holds back only what could be the beginning of the key."""

    def __init__(self, key: Secret | None) -> None:
        """Look for `key`; None, or one too short to be a secret, lets everything pass."""
        self._key = key if key is not None and len(key.reveal()) >= SECRET_CHARS else None
        self._held = ""

    def add(self, text: str) -> str:
        """Take the next piece; give what is certain not to be part of the key."""
        if self._key is None:
            return text
        value = self._key.reveal()
        text = (self._held + text).replace(value, HIDDEN)
        # The leftmost place where the rest of the text is a beginning of the key; in most texts there is none.
        place = text.find(value[0], max(0, len(text) - len(value) + 1))
        while place >= 0 and not value.startswith(text[place:]):
            place = text.find(value[0], place + 1)
        if place < 0:
            self._held = ""
            return text
        self._held = text[place:]
        return text[:place]

    def end(self) -> str:
        """Give what is still held back: no key ends here."""
        held, self._held = self._held, ""
        return held
