"""Bodies of the provider routes."""

from pydantic import BaseModel


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
