"""The arguments of a call, read leniently: what can only mean one thing is taken as that."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, final
from uuid import UUID

from app.tools.voyage.failure import ToolFailed

MAX_NAME: Final = 200
MAX_TEXT: Final = 20_000
LATITUDE: Final = 90.0
LONGITUDE: Final = 180.0
DIGITS: Final = 6
"""After the point; Voyage refuses more."""


@final
class Arguments:
    """What a model has sent; unknown names are ignored."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Take the JSON object."""
        self._given = given

    def has(self, name: str) -> bool:
        """Tell whether there is a value."""
        value = self._given.get(name)
        return value is not None and value != ""

    def given(self, name: str) -> bool:
        """Tell whether a value was sent, be it an empty text."""
        return self._given.get(name) is not None

    def text(self, name: str, *, limit: int = MAX_TEXT) -> str:
        """Give a trimmed text, empty where there is none; raises `ToolFailed`."""
        value = self._given.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            message = f"{name} must be a text"
            raise ToolFailed(message)
        text = str(value).replace("\x00", "").strip()
        if len(text) > limit:
            message = f"{name} may have at most {limit} characters"
            raise ToolFailed(message)
        return text.encode("utf-8", "replace").decode()

    def number(self, name: str, *, most: float | None = None) -> float | None:
        """Give a number, also from a text, rounded as Voyage stores it; None where there is none."""
        value = self._given.get(name)
        if value is None or value == "":
            return None
        message = f"{name} must be numeric"
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ToolFailed(message)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise ToolFailed(message) from None
        if not math.isfinite(number):
            raise ToolFailed(message)
        if most is not None and abs(number) > most:
            message = f"{name} must be between -{most:g} and {most:g}"
            raise ToolFailed(message)
        return round(number, DIGITS)

    def place(self, prefix: str = "") -> dict[str, float]:
        """Give the coordinates that were sent, by their names."""
        limits = {f"{prefix}latitude": LATITUDE, f"{prefix}longitude": LONGITUDE}
        found = {name: self.number(name, most=most) for name, most in limits.items()}
        return {name: value for name, value in found.items() if value is not None}

    def uuid(self, name: str, *, otherwise: str) -> str:
        """Give an id; raises `ToolFailed` with the words `otherwise` for what cannot be one."""
        try:
            return str(UUID(self.text(name)))
        except ValueError:
            raise ToolFailed(otherwise) from None

    def day(self, name: str) -> str | None:
        """Give a day as `YYYY-MM-DD`, also the day of a moment; None where there is none."""
        if not self.has(name):
            return None
        text = self.text(name)[:10]
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            message = f"{name} must be in YYYY-MM-DD format"
            raise ToolFailed(message) from None

    def moment(self, name: str) -> str | None:
        """Give a moment in UTC, `Z` at its end; a day is its midnight. None where there is none."""
        if not self.given(name):
            return None
        text = self.text(name)
        for form in (text, text[:10]):
            try:
                found = datetime.fromisoformat(form)
                aware = found if found.tzinfo else found.replace(tzinfo=UTC)
                return aware.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            except (ValueError, OverflowError):
                continue
        message = f"{name} must be a valid ISO date or datetime"
        raise ToolFailed(message)
