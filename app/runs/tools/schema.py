"""Whether arguments fit the JSON Schema of a tool, which may be anybody's: found out within bounds."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any, Final, cast

MAX_PROBLEMS: Final = 5
MAX_PROBLEM_CHARS: Final = 300
CHECK_S: Final = 0.2
"""Of a thread's own time; a check that takes longer finds nothing wrong, and the tool itself will say."""
_UNCHECKED: Final = ("pattern", "patternProperties", "uniqueItems", "unevaluatedItems", "unevaluatedProperties")
"""Expressions of somebody else's, of which one can take minutes; and what is not done step by step."""
_ENDS: Final[ContextVar[float]] = ContextVar("schema_check_ends")


class _TooLong(Exception):  # not an error: a way out of the library
    """The time for a check is over."""


async def complaint(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Say what is wrong with `arguments`, in words that a model can act on and without its values; None where they fit.

    A schema that is none, or takes too long, counts as one that takes everything. No reference is fetched.
    """
    return await asyncio.to_thread(_complaint, schema, arguments)


def _complaint(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    import referencing  # noqa: PLC0415 - see below
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - 30 ms, which a run without tools does not need
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - see above

    checker, nothing = _checker(), cast("Any", referencing).Registry()
    before = _ENDS.set(time.thread_time() + CHECK_S)
    try:
        checker.check_schema(schema)
        errors = checker(schema, registry=nothing).iter_errors(dict(arguments))
        problems = [problem[:MAX_PROBLEM_CHARS] for problem in islice(_problems(errors), MAX_PROBLEMS)]
    except (SchemaError, Unresolvable, RecursionError, _TooLong):
        return None
    finally:
        _ENDS.reset(before)
    return "; ".join(problems) or None


@cache
def _checker() -> Any:  # noqa: ANN401 - a class that the library makes
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - see above

    Draft202012Validator.check_schema({})
    library: Any = Draft202012Validator
    rules: dict[str, Any] = {name: _in_time(rule) for name, rule in library.VALIDATORS.items()}
    rules |= dict.fromkeys(_UNCHECKED, _fits)
    rules["additionalProperties"] = _without_expressions(rules["additionalProperties"])
    made: Any = validators
    return made.extend(Draft202012Validator, rules)


def _in_time(rule: Callable[..., Iterable[Any] | None]) -> Callable[..., Iterable[Any] | None]:
    def timed(validator: Any, value: Any, instance: Any, schema: Any) -> Iterable[Any] | None:  # noqa: ANN401 - JSON
        if time.thread_time() > _ENDS.get():
            raise _TooLong
        return rule(validator, value, instance, schema)

    return timed


def _without_expressions(rule: Callable[..., Iterable[Any] | None]) -> Callable[..., Iterable[Any] | None]:
    def checked(validator: Any, value: Any, instance: Any, schema: Any) -> Iterable[Any] | None:  # noqa: ANN401 - JSON
        return None if "patternProperties" in schema else rule(validator, value, instance, schema)

    return checked


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
