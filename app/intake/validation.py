"""What a schema found wrong, in the gateway's words: which field, what about it, what to do."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from app.errors import InvalidInput
from app.intake.strict_json import WHOLE_BODY
from app.schemas.body import MAX_NAMED, UNKNOWN_FIELDS

_REQUIRED: Final = "This field is required."
_TEXTS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: _REQUIRED,
    "string_type": lambda _: "This must be a string.",
    "string_too_short": lambda _: "This must not be blank.",
    "string_too_long": lambda limits: f"This has more than {limits['max_length']} characters. Shorten it.",
    "string_pattern_mismatch": lambda limits: f"This must match {limits['pattern']}.",
    "model_type": lambda _: "This must be an object.",
    "model_attributes_type": lambda _: "This must be an object.",
    "dict_type": lambda _: "This must be an object.",
    "list_type": lambda _: "This must be an array.",
    "too_long": lambda limits: f"This has more than {limits['max_length']} entries. Leave some out.",
    "uuid_type": lambda _: "This must be a UUID.",
    "uuid_parsing": lambda _: "This must be a UUID.",
    "literal_error": lambda limits: f"This must be {limits['expected']}.",
    "value_error": lambda limits: str(limits["error"]),
}
_NAME_CHARS: Final = 80


def explain(problems: Sequence[Mapping[str, Any]]) -> InvalidInput:
    """Give the one error for pydantic's `problems`; nothing that the caller sent stands in it but names of fields.

    The answer names `MAX_NAMED` fields and counts the others.
    """
    fields: dict[str, list[str]] = {}
    nearest: list[str] = []
    more = 0
    for problem in problems:
        place = ".".join(str(part) for part in problem["loc"][1:])
        if problem["type"] == UNKNOWN_FIELDS:
            found: Mapping[str, str] = problem["ctx"]["nearest"]
            nearest.extend(found.values())
            more += problem["ctx"]["more"]
            texts = {_join(place, name): _unknown(found.get(name)) for name in problem["ctx"]["names"]}
        else:
            texts = {place or WHOLE_BODY: _text(problem, whole=not place)}
        for name, text in texts.items():
            fields.setdefault(_shown(name), []).append(text)
    named = dict(list(fields.items())[:MAX_NAMED])
    more += len(fields) - len(named)
    name, (text, *_) = next(iter(named.items()))
    message = text if name == WHOLE_BODY else f"{name}: {text}"
    if more:
        message += f" {more} more fields than those named here are wrong."
    return InvalidInput(message, action="Correct it and send it again.", fields=named, did_you_mean=nearest[:MAX_NAMED])


def _text(problem: Mapping[str, Any], *, whole: bool) -> str:
    kind = problem["type"]
    if whole and kind == "missing":
        return "The body is missing. Send a JSON object."
    if whole:
        return "The body must be a JSON object."
    known = _TEXTS.get(kind)
    return known(problem.get("ctx", {})) if known is not None else "This is not valid."


def _unknown(nearest: str | None) -> str:
    return f"There is no such field; did you mean {nearest}?" if nearest else "There is no such field. Leave it out."


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name)[:_NAME_CHARS]
