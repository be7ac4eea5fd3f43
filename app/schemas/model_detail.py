"""What is known of one model, as the API shows it; null is "not known"."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class PriceAnswer(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(from_attributes=True)

    input: float
    output: float


class ModelDetail(BaseModel):
    """One model of a list."""

    id: str
    label: str
    """The provider's own name for people, else the id."""
    context_tokens: int | None
    max_output_tokens: int | None
    tools: bool
    """False only where the provider says so."""
    price: PriceAnswer | None
    status: Literal["available", "deprecated", "retired"] | None
    family: str | None
    """The wire that serves it."""
    source: Literal["live", "snapshot", "configured", "unknown"]
    """Who names it, as for the whole list; `unknown` for a model that only a setting names."""
