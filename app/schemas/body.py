"""What all request bodies share."""

import difflib
from typing import Any, ClassVar, Final, cast

from pydantic import ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.described import Described

UNKNOWN_FIELDS: Final = "unknown_fields"
"""Type of the error that a `Body` raises for them; its context has `names` and, for some of them, `nearest`, and how
many there are `more`."""
MAX_NAMED: Final = 20
"""How many wrong fields an answer names."""
PROVIDER_CHARS: Final = 100
TITLE_CHARS: Final = 255


class Body(Described):
    """A JSON object from a caller. Unknown fields are refused: a misspelt one would silently do nothing."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    ignored: ClassVar[frozenset[str]] = frozenset()
    """Further names that may come and have no effect."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the JSON was
        if not isinstance(given, dict):
            return given
        known = sorted(cls.model_fields)
        names = sorted(cast("dict[str, Any]", given).keys() - set(known) - cls.ignored)
        if names:
            more, names = len(names[MAX_NAMED:]), names[:MAX_NAMED]
            found = {name: difflib.get_close_matches(name.lower()[:100], known, n=1) for name in names}
            context = {"names": names, "nearest": {name: near[0] for name, near in found.items() if near}, "more": more}
            raise PydanticCustomError(UNKNOWN_FIELDS, "Unknown fields.", context)
        return cast("dict[str, Any]", given)
