"""What the scripted upstream plays for one message; the message itself says it."""

import re
from dataclasses import dataclass, fields
from typing import Final, Self

from typing_extensions import override

_WORDS: Final = re.compile(r"\bplay((?: \w+=\w+)*)")
_MARK: Final = re.compile(r"#(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Write it into a message with `str(play)`; what the message does not say is as here."""

    chunks: int = 3
    pace_ms: int = 0
    """Between two chunks; kept on the average, so that a busy loop does not stretch the whole."""
    size: int = 0
    """Least number of characters of a chunk."""
    gate: str = ""
    """The name of a gate at which it waits until the test opens it; none where it is empty."""
    at: int = 0
    """How many chunks come before the gate."""
    cut: int = 0
    """After how many chunks the upstream closes the connection without an end; 0: never."""

    @classmethod
    def of(cls, message: str) -> Self:
        """Read a message; one that asks for nothing gets the defaults."""
        found = _WORDS.search(message)
        given = dict(word.split("=") for word in found[1].split()) if found else {}
        numbers = {name: int(value) for name, value in given.items() if name != "gate"}
        return cls(gate=given.get("gate", ""), **numbers)

    @override
    def __str__(self) -> str:
        given = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return " ".join(["play", *(f"{name}={value}" for name, value, default in given if value != default)])

    def texts(self, mark: str) -> list[str]:
        """Give the chunks; every one is another, so that a lost one and one of another run are seen."""
        return [f"{mark}·{number} ".rjust(self.size, "·") for number in range(1, self.chunks + 1)]


def mark_of(message: str) -> str:
    """Give what tells this message from all others: the word after a `#`."""
    found = _MARK.search(message)
    return found[1] if found else ""


def text_of(message: str) -> str:
    """Give the whole answer that the upstream writes to `message`."""
    return "".join(Play.of(message).texts(mark_of(message)))
