"""Whether a model id is safe to send: on most wires it is a JSON string, on Gemini's it is part of the URL."""

import re
from typing import Final

from app.errors import NOWHERE, InvalidInput, Origin
from app.providers.provider import Wire

MODEL_ID_LIMIT: Final = 200
_MODEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*(?:/[A-Za-z0-9][A-Za-z0-9._:@+-]*)*")
_IN_URL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_SHAPE: Final = (
    "Use letters, digits and . _ : @ + - in parts separated by single slashes, each beginning with a letter or a digit."
)


def check(model: str, wire: Wire, *, origin: Origin = NOWHERE) -> None:
    """Raise `InvalidInput` naming the field `model` unless the id can be sent on `wire`.

    An accepted id has at most `MODEL_ID_LIMIT` characters and cannot leave the place it is put in: it has no control
    character, `%`, `?`, `#`, backslash, empty part, `..` or part that begins with a dot.
    """
    reason = _complaint(model, wire)
    if reason:
        message = "The model id is not valid."
        raise InvalidInput(message, origin=origin, fields={"model": [reason]})


def fits(model: str, wire: Wire) -> bool:
    """Tell whether `check` accepts the id."""
    return not _complaint(model, wire)


def _complaint(model: str, wire: Wire) -> str:
    if len(model) > MODEL_ID_LIMIT:
        return f"At most {MODEL_ID_LIMIT} characters."
    if not _MODEL_ID.fullmatch(model) or ".." in model:
        return _SHAPE
    if wire is Wire.GEMINI and not _IN_URL.fullmatch(model):
        return "Ids of Gemini models have letters, digits and . _ - only."
    return ""
