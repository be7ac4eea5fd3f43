"""What a provider itself calls a model: routing prefixes come off, the provider's own prefixes stay."""

from app.providers.catalog import ROUTING_PREFIXES
from app.providers.provider import Naming, Provider


def own_id(provider: Provider, model: str) -> str:
    """Give the id as `provider` writes it; applying it twice changes nothing.

    `groq/llama` becomes `llama`, but `compound` becomes `groq/compound` and `openrouter/auto` stays. An id that the
    row lists in `models` is taken as it is.
    """
    name = model
    while name not in provider.models:
        rest = _without_prefix(provider, name)
        if rest is None:
            break
        name = rest
    if name in provider.own_names and name not in provider.models:
        return f"{provider.routing_prefix}/{name}"
    return name


def foreign_prefix(provider: Provider, own: str) -> str | None:
    """Give the prefix of `own` (from `own_id`) that cannot belong to `provider`, or None where it may."""
    head, slash, rest = own.partition("/")
    if not slash or provider.gateway or own in provider.models:
        return None
    if head == provider.routing_prefix and rest in provider.own_names:
        return None
    if provider.naming is Naming.BARE:
        return head
    if provider.naming is Naming.MIXED and head in ROUTING_PREFIXES and head not in provider.namespaces:
        return head
    return None


def _without_prefix(provider: Provider, name: str) -> str | None:
    head, _, rest = name.partition("/")
    if not rest or head not in {provider.id, provider.routing_prefix, *provider.aliases}:
        return None
    vendor = provider.naming is Naming.NAMESPACED and head == provider.routing_prefix and "/" not in rest
    return None if vendor else rest  # openrouter/auto, nvidia/nemotron-...: the prefix is the vendor
