"""A provider: a place to send requests, as one frozen row of data without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from app.providers.mismatch import Mismatch

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Wire(StrEnum):
    """A protocol spoken upstream."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    GEMINI = "gemini"
    OLLAMA = "ollama"


NO_WIRES: Final[Mapping[str, Wire]] = MappingProxyType({})


class Lane(StrEnum):
    """Who speaks the wire."""

    NATIVE = "native"
    """This gateway itself: every wire but Ollama's."""
    LITELLM = "litellm"


class Chat(StrEnum):
    """Where providers of the `openai_chat` wire want the same things under other names."""

    USUAL = "usual"
    OPENAI = "openai"
    MISTRAL = "mistral"


class Naming(StrEnum):
    """How a provider writes the ids of its models."""

    BARE = "bare"
    """Never with a slash (`gpt-6-luna`): a prefix can only be a routing prefix, so a foreign one is refused."""
    MIXED = "mixed"
    """Some ids carry a vendor (`openai/gpt-oss-120b`): only a prefix that cannot be a vendor here is refused."""
    NAMESPACED = "namespaced"
    """Every id carries one (`anthropic/claude-haiku-4.5`)."""


class ListShape(StrEnum):
    """The shape of a provider's model list."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """The four limits of one model call, in seconds; pings and empty events do not count as progress."""

    connect_s: float = 10.0
    """From the first packet to an open connection, TLS included."""
    first_token_s: float = 90.0
    """From the call to the first useful event."""
    idle_s: float = 60.0
    """Between two useful events."""
    total_s: float = 600.0
    """From the call to the end of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRule:
    """Model ids that begin with one of `prefixes` are served on `wire`."""

    prefixes: tuple[str, ...]
    wire: Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One entry of the catalogue, or one table of the operator's file.

    Adding a provider is adding a row; the tests and the generated docs pick it up.
    """

    id: str
    label: str
    api_base: str
    """Root of the API, version segment included (`https://api.groq.com/openai/v1`)."""
    default_model: str | None
    wire: Wire = Wire.OPENAI_CHAT
    wire_rules: tuple[WireRule, ...] = ()
    """For a gateway that serves several wires; the first match wins, `wire` is the rest."""
    wires: Mapping[str, Wire] = field(default_factory=lambda: NO_WIRES)
    """The operator's word, before all rules: a model's id, or the beginning of some with a `*` after it."""
    mismatch: Mismatch | None = None
    """How it refuses a model on the wrong wire; None where it does not say, and then no other one is tried."""
    version: str = "v1"
    """Version segment that a base URL of this provider ends in; "" where there is none."""
    prefix: str = ""
    """Routing prefix that may stand before a model id (`groq/...`); the provider's id where it is empty."""
    aliases: tuple[str, ...] = ()
    """Further routing prefixes that are taken off (`openai/` before a Zen id, as Voyage stored it)."""
    naming: Naming = Naming.BARE
    namespaces: tuple[str, ...] = ()
    """Vendors that stand in this provider's own ids, where `naming` is mixed."""
    own_names: tuple[str, ...] = ()
    """Ids that really begin with the routing prefix (`compound` for `groq/compound`)."""
    gateway: bool = False
    """Serves other vendors' models; exempt from the prefix guard."""
    litellm_prefix: str = ""
    """A name of its own under which litellm speaks this provider's wire; "" for the wire's usual one."""
    chat: Chat = Chat.USUAL
    needs_api_key: bool = True
    guarded: bool = True
    """Whether its requests reach public addresses only; False where the operator has set the address."""
    own_address: bool = False
    """Whether each user says where it is: `api_base` is then empty here and stands beside the user's key."""
    models_list: ListShape | None = ListShape.OPENAI
    """None where the provider lists nothing: then `models` is the list."""
    models: tuple[str, ...] = ()
    lists_all: bool = False
    """Its list names every model that it serves, but for other spellings: one that is not in it need not be tried."""
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    session_header: str = ""
    """Header that takes the conversation's id, for a gateway that routes by it; "" for none."""
    context_tokens: int | None = None
    """How much its models read at most; None where that is not known, and nothing is left out."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    lane: Lane | None = None
    """None: the lane follows the wire."""
    counted: bool = True
    """Whether its failures count for circuits and retries; False for what fails on purpose."""
    enabled: bool = True
    retired: str | None = None
    """When and why the service ended, for a provider that has."""

    @property
    def routing_prefix(self) -> str:
        """The prefix that the guard knows."""
        return self.prefix or self.id

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a stored key is bound to."""
        return _origin(self.api_base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where one model call goes: the result of resolving a provider and a model, before any network."""

    provider: Provider
    model: str
    """The id as the provider knows it, with no routing prefix."""
    wire: Wire
    base_url: str
    """Absolute, no slash at the end, version segment included where the wire has one.

    Empty for a provider with its user's `own_address`, until that user's key is looked up."""
    lane: Lane

    @property
    def guarded(self) -> bool:
        """Whether the call may reach public addresses only; for `Transport.request`."""
        return self.provider.guarded

    @property
    def origin(self) -> str:
        """The same as the provider's, whatever the wire."""
        return _origin(self.base_url)


def lane_of(wire: Wire, *choices: Lane | None) -> Lane:
    """Give the lane of a call: the first of `choices` that is one, else our own. Ollama's wire is litellm's alone."""
    if wire is Wire.OLLAMA:
        return Lane.LITELLM
    return next((lane for lane in choices if lane is not None), Lane.NATIVE)


def _origin(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.partition('/')[0]}"
