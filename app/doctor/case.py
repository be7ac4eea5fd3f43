"""What is diagnosed: a provider, perhaps a model of it, a key, and how far the diagnosis may go."""

from dataclasses import dataclass

from app.errors import GatewayError, Origin
from app.providers import base_url
from app.providers.provider import Provider, Route, Wire
from app.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFound:
    """The key that a message would use, or why there is none."""

    source: str
    """Where it was looked for, as the report says it: "A key is stored for this user."."""
    secret: Secret | None = None
    own: bool = True
    """False for the operator's: what the provider says about their account is not for callers."""
    sealed: bool = False
    """Whether it had to be opened."""
    error: GatewayError | None = None
    """Why there is none, or why it cannot be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One diagnosis, before anything is sent."""

    provider: Provider
    route: Route | None
    """None where no model is named and the provider has no default."""
    key: KeyFound
    spend: bool = False
    """Whether the model may be asked, which costs a few tokens."""
    tools: bool = False
    """Whether it may be asked once more, to call a tool."""
    operators: str | None = None
    """The model that the operator has named for this provider: it is tried whatever a list says."""
    shows_address: bool = True
    """False for callers of a provider that the operator has configured: its address is nobody's business."""

    @property
    def wire(self) -> Wire:
        """The wire that a message would be sent on."""
        return self.route.wire if self.route is not None else self.provider.wire

    @property
    def model(self) -> str | None:
        """The model as the provider writes it."""
        return self.route.model if self.route is not None else None

    @property
    def origin(self) -> Origin:
        """Where it goes, for errors."""
        return Origin(provider=self.provider.id, label=self.provider.label, model=self.model, private=not self.key.own)

    def base_url(self) -> str:
        """Give the base URL that a message would be sent to; raises `ConfigError`."""
        if self.route is not None:
            return self.route.base_url
        return base_url.canonical(self.provider.api_base, wire=self.wire, version=self.provider.version)

    def address(self, text: str, instead: str) -> str:
        """Give `text`, which names the address, where the reader may know it, else other words."""
        return text if self.shows_address else instead
