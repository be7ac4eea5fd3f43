"""Whether arguments fit the JSON Schema of a tool."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, cast

MAX_PROBLEMS: Final = 5
_UNCHECKED: Final = ("pattern", "patternProperties")
"""Expressions of somebody else's: one of them can take minutes, in which nothing else happens."""


async def load() -> None:
    """Load the library, which reads its own schemas from files; once, and not in the loop."""
    await asyncio.to_thread(_checker)


def complaint(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Say what is wrong with `arguments`, in words that a model can act on and without its values; None where they fit.

    A schema that is none counts as one that takes everything: the tool itself will say. No reference is fetched.
    `load` comes first.
    """
    import referencing  # noqa: PLC0415 - see above
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - 30 ms, which a run without tools does not need
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - see above

    checker, nothing = _checker(), cast("Any", referencing).Registry()
    try:
        checker.check_schema(schema)
        problems = list(_problems(checker(schema, registry=nothing).iter_errors(dict(arguments))))
    except (SchemaError, Unresolvable, RecursionError):
        return None
    return "; ".join(problems[:MAX_PROBLEMS]) or None


@cache
def _checker() -> Any:  # noqa: ANN401 - a class that the library makes
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - see above

    Draft202012Validator.check_schema({})
    made: Any = validators
    return made.extend(Draft202012Validator, dict.fromkeys(_UNCHECKED, _fits))


def _fits(*_: object) -> None:
    """Find nothing wrong."""


def _problems(errors: Any) -> Iterator[str]:  # noqa: ANN401 - jsonschema's own, without types
    for error in errors:
        where = ".".join(str(part) for part in error.absolute_path)
        match error.validator:
            case "required":
                absent = [name for name in error.validator_value if name not in error.instance][:MAX_PROBLEMS]
                yield f"{', '.join(f'{where}.{name}' if where else name for name in absent)} is required"
                return
            case "type":
                yield f"{where or 'the arguments'} must be of type {error.validator_value}"
            case "enum":
                yield f"{where} must be one of {error.validator_value}"
            case "additionalProperties":
                yield f"{where or 'the arguments'} has unknown names"
            case rule:
                yield f"{where or 'the arguments'} does not keep to {rule}"
