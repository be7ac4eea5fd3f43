"""Bodies of the suggestions for one day."""

import datetime as dt
import re
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from app.schemas.body import Body
from app.schemas.described import Described
from app.schemas.send_message import Line, Model, Provider

MAX_WISHES: Final = 20
MAX_WISH_CHARS: Final = 200
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _wishes(given: object) -> tuple[str, ...]:
    """Give one text or several as texts without the blank ones."""
    listed = cast("list[object]", given) if isinstance(given, list) else [] if given is None else [given]
    texts = tuple(text.strip() for text in listed if isinstance(text, str) and text.strip())
    if not all(isinstance(text, str) for text in listed):
        message = "This must be a string or an array of strings."
        raise ValueError(message)
    if len(texts) > MAX_WISHES or any(len(text) > MAX_WISH_CHARS for text in texts):
        message = f"This has more than {MAX_WISHES} entries, or one of more than {MAX_WISH_CHARS} characters."
        raise ValueError(message)
    return texts


_WISHES_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]
}
Wishes = Annotated[tuple[str, ...], BeforeValidator(_wishes), WithJsonSchema(_WISHES_SCHEMA)]


class Filters(Described):
    """What the places should be like; each a text or several, and names that are not here have no effect."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    cuisine_type: Wishes = ()
    price_range: Wishes = ()
    dietary: Wishes = ()
    activity_type: Wishes = ()
    duration: Wishes = ()
    event_type: Wishes = ()
    lodging_type: Wishes = ()
    amenities: Wishes = ()
    time_preference: Wishes = ()


def _day(given: object) -> object:
    """Give the date; only the plain form counts, of the many that ISO 8601 has."""
    if not isinstance(given, str):
        return given
    message = "This must be a date like 2027-03-10."
    if not _DATE.fullmatch(given.strip()):
        raise ValueError(message)
    try:
        return dt.date.fromisoformat(given.strip())
    except ValueError:
        raise ValueError(message) from None


class DaySuggestionsBody(Body):
    """The day of a trip that places are wanted for; a blank optional text counts as absent."""

    collection_id: Annotated[UUID, Field(strict=False)]
    """The trip."""
    date: Annotated[dt.date, BeforeValidator(_day)]
    category: Literal["restaurant", "activity", "event", "lodging"]
    filters: Filters = Filters()
    location_context: Line | None = None
    """Where on the trip; absent, the model has the stops to go by."""
    provider: Provider | None = None
    """Absent: chosen as for a message."""
    model: Model | None = None

    @field_validator("location_context", "provider", "model", mode="before")
    @classmethod
    def _blank_is_absent(cls, given: object) -> object:
        return None if isinstance(given, str) and not given.strip() else given

    @field_validator("filters", mode="before")
    @classmethod
    def _none_is_no_filter(cls, given: object) -> object:
        return {} if given is None else given


class SuggestionAnswer(BaseModel):
    """One place, as a model described it: nobody has checked that it is there."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    location: str
    description: str | None = None
    why_fits: str | None = None
    category: str | None = None
    price_level: str | None = None


class DaySuggestionsAnswer(BaseModel):
    """At most five places; none where the model knows none that fits."""

    suggestions: list[SuggestionAnswer]
