"""Bodies of the AI settings routes."""

from datetime import datetime
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from app.schemas.body import PROVIDER_CHARS, Body

MAX_FALLBACKS: Final = 3
"""Each may cost the person the time that its provider takes to fail."""


class FallbackBody(Body):
    """Whom to ask instead; a blank model, or none, is the provider's default."""

    provider: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=PROVIDER_CHARS)]
    model: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None


class AiSettingsBody(Body):
    """What the caller prefers; a field that is left out stays. Only fallbacks are checked before they are used."""

    ignored: ClassVar = frozenset({"id", "created_at", "updated_at"})

    preferred_provider: Annotated[str, StringConstraints(strip_whitespace=True, max_length=PROVIDER_CHARS)] | None = (
        None
    )
    preferred_model: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None
    fallbacks: Annotated[list[FallbackBody], Field(max_length=MAX_FALLBACKS)] | None = None
    """In order; None and an empty list switch it off."""


class FallbackAnswer(BaseModel):
    """Whom to ask instead, as it was saved."""

    provider: str
    model: str | None


class AiSettingsAnswer(BaseModel):
    """What the caller prefers, written as the lists of providers and of models write it where they can."""

    id: UUID
    preferred_provider: str | None
    preferred_model: str | None
    fallbacks: list[FallbackAnswer]
    created_at: datetime
    updated_at: datetime
