"""Bodies of the AI settings routes."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from app.schemas.body import PROVIDER_CHARS, Body


class AiSettingsBody(Body):
    """What the caller prefers; a field that is left out stays, and nothing is checked before it is used."""

    ignored: ClassVar = frozenset({"id", "created_at", "updated_at"})

    preferred_provider: Annotated[str, StringConstraints(strip_whitespace=True, max_length=PROVIDER_CHARS)] | None = (
        None
    )
    preferred_model: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None


class AiSettingsAnswer(BaseModel):
    """What the caller prefers, written as the lists of providers and of models write it where they can."""

    id: UUID
    preferred_provider: str | None
    preferred_model: str | None
    created_at: datetime
    updated_at: datetime
