"""How a gateway says that it serves a model, but not on the wire it was asked on."""

from dataclasses import dataclass

from app.providers.complaint import Complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """The one answer that means it; anything near it is another error."""

    status: int
    name: str
    """The error's machine-readable name."""
    words: str
    """A part of its message, in lower case."""


def is_mismatch(expected: Mismatch | None, status: int, complaint: Complaint) -> bool:
    """Tell whether this is that answer; False where the provider has none."""
    return (
        expected is not None
        and status == expected.status
        and expected.name in complaint.names
        and expected.words in complaint.message.lower()
    )
