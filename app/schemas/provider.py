"""Bodies of the provider routes."""

from typing import Literal

from pydantic import BaseModel, Field

from app.schemas.model_detail import ModelDetail


class RestingWire(BaseModel):
    """A protocol of a provider that is not asked for a while, because it has failed again and again."""

    wire: str
    failures: int
    """In a row."""
    retry_after_s: float


class ProviderAnswer(BaseModel):
    """One provider, in the eight fields that the Voyage UI reads."""

    id: str
    label: str
    available_for_chat: bool
    needs_api_key: bool | None
    default_model: str | None
    api_base: str | None
    """None for what the operator configured: an internal address is nobody's business."""
    instance_configured: bool
    """Works without a key of the caller's own."""
    user_configured: bool
    """The caller has stored a key."""
    resting: list[RestingWire] = Field(exclude_if=lambda resting: not resting)
    """Only there while some of it is left alone; never for users' own addresses."""


class ModelWire(BaseModel):
    """The protocol that a model is called on."""

    wire: str
    source: str
    """Who says so: `operator`, `learned` or `catalog`."""


class ModelsAnswer(BaseModel):
    """Model ids, each of which works when it is sent back."""

    models: list[str]
    wires: dict[str, ModelWire]
    """By model, how each is called; empty for a provider that speaks one protocol only."""
    details: list[ModelDetail]
    """What is known of each of them, in the same order."""
    age_seconds: int | None
    """Since the provider was asked; None where it was not."""
    stale: bool
    """Older than it should be: a newer one is being fetched, or could not be."""
    source: Literal["live", "snapshot", "configured"]
    """`live`: the provider's own list; `snapshot`: the facts that come with the gateway, where the provider cannot be
    reached; `configured`: its row in the catalogue or in the operator's file, where nobody is asked."""
    warning: str | None
    """What a person should know about the list, in a sentence."""
