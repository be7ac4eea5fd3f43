"""JSON read the strict way: what one reader takes and the next one cannot store is refused here, with its place."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from app.errors import InvalidInput

MAX_DEPTH: Final = 64
MAX_NODES: Final = 10_000
"""Values of one body, containers included; a large object costs far more time than its bytes suggest."""
WHOLE_BODY: Final = "non_field_errors"
"""Where an error of no single field stands; the name that Django REST Framework's clients know."""

_INTEGERS: Final = range(-(2**63), 2**64)
_INTEGER_DIGITS: Final = 20
_STRUCTURE: Final = re.compile(rb'[\[\]{},]|"(?:[^"\\]|\\.)*"?', re.DOTALL)
_PATH_LIMIT: Final = 100
_PATH_UNSAFE: Final = re.compile(r"[^\w.$\[\]-]")


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands where a value was that the parser would have let through."""

    reason: str


def loads(body: bytes) -> Any:  # noqa: ANN401 - JSON is Any until a schema has seen it
    """Parse `body`, which is complete.

    Raises `InvalidInput` (400) that names the reason and, as a path such as `$.tools[0].function`, the place.
    """
    _check_structure(body)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        reason = f"is not valid UTF-8 at byte {error.start}"
        raise _invalid(reason) from None
    if text.startswith("\ufeff"):
        reason = "is not valid JSON: it begins with a byte order mark"
        raise _invalid(reason)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        raise _invalid(reason) from None
    _check_values(value)
    return value


def _check_structure(body: bytes) -> None:
    """Bound depth and size before the parser, which recurses, sees anything."""
    depth = opened = commas = 0
    for token in _STRUCTURE.finditer(body):
        match token[0][:1]:
            case b"[" | b"{":
                depth += 1
                opened += 1
            case b"]" | b"}":
                depth -= 1
            case b",":
                commas += 1
            case _:
                pass
        if depth > MAX_DEPTH:
            reason = f"is nested deeper than {MAX_DEPTH} levels"
            raise _invalid(reason)
        if max(opened, commas + 1) > MAX_NODES:
            raise _too_many()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Refused:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Refused("has the same key twice")


def _float(text: str) -> float | _Refused:
    value = float(text)
    return value if math.isfinite(value) else _Refused("is a number too large to store")


def _integer(text: str) -> int | _Refused:
    if len(text) > _INTEGER_DIGITS or int(text) not in _INTEGERS:
        return _Refused("is an integer that does not fit into 64 bits")
    return int(text)


# Made once: to make one takes longer than to read an ordinary body.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=lambda _: _Refused("is NaN or Infinity, which JSON does not have"),
    parse_float=_float,
    parse_int=_integer,
)


def _check_values(root: object) -> None:
    nodes = 0
    waiting: list[tuple[str, object]] = [("$", root)]
    while waiting:
        path, value = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES:
            raise _too_many()
        match value:
            case str():
                _check_text(value, path)
            case _Refused(reason):
                raise _invalid(reason, path)
            case dict() | list():
                waiting.extend(_children(path, value))  # pyright: ignore[reportUnknownArgumentType]  # from json.loads
            case _:
                pass


def _children(path: str, value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        yield from ((f"{path}[{index}]", child) for index, child in enumerate(value))
        return
    for key, child in value.items():
        _check_text(key, path, "has a key that contains")
        yield f"{path}.{key}", child


def _check_text(text: str, path: str, contains: str = "contains") -> None:
    if "\x00" in text:
        reason = f"{contains} the character U+0000, which cannot be stored"
        raise _invalid(reason, path)
    try:
        text.encode()
    except UnicodeEncodeError:
        reason = f"{contains} half a character (a lone surrogate)"
        raise _invalid(reason, path) from None


def _too_many() -> InvalidInput:
    return _invalid(f"has more than {MAX_NODES} values")


def _invalid(reason: str, path: str = "$") -> InvalidInput:
    # The path is made of the caller's own keys: cut, and nothing in it that a log or a page would interpret.
    place = _PATH_UNSAFE.sub("?", path)[:_PATH_LIMIT].removeprefix("$").removeprefix(".")
    where = f"The body's {place!r}" if place else "The body"
    message = f"{where} {reason}."
    return InvalidInput(message, action="Correct it and send it again.", fields={place or WHOLE_BODY: [message]})
