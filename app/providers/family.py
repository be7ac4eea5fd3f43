"""The family of a model: the wire that a gateway serves it on. Pure; what is learned at run time is not known here."""

from collections.abc import Container
from dataclasses import replace
from itertools import takewhile
from typing import Final

from app.providers import base_url, model_id
from app.providers.provider import Provider, Route, Wire

_LIKE: Final = 3
"""Letters that two names must share at their beginning to be of one vendor."""


def operators_wire(provider: Provider, model: str) -> Wire | None:
    """Give what the operator says: a whole id counts before the longest beginning that fits; None for no word."""
    if model in provider.wires:
        return provider.wires[model]
    fitting = [key for key in provider.wires if key.endswith("*") and model.startswith(key[:-1])]
    return provider.wires[max(fitting, key=len)] if fitting else None


def resolved_wire(provider: Provider, model: str) -> Wire:
    """Give what the operator says, else the provider's table, else the rest's wire."""
    listed = next((rule.wire for rule in provider.wire_rules if model.startswith(rule.prefixes)), provider.wire)
    return operators_wire(provider, model) or listed


def wires_of(provider: Provider) -> tuple[Wire, ...]:
    """Give every wire that something of this provider is served on, the most usual first."""
    rules = (rule.wire for rule in provider.wire_rules)
    return tuple(dict.fromkeys((provider.wire, *rules, *provider.wires.values())))


def may_move(provider: Provider, model: str) -> bool:
    """Tell whether another wire may be tried: there is one, a refusal can be told, and the operator has not decided."""
    several = provider.mismatch is not None and len(wires_of(provider)) > 1
    return several and operators_wire(provider, model) is None


def next_wire(provider: Provider, model: str, tried: Container[Wire]) -> Wire | None:
    """Give the likeliest wire that was not tried: the table's, then those of models with a like name, then the rest.

    None where nothing is left that can carry the id.
    """
    alike = {rule.wire: max(_shared(model, begin) for begin in rule.prefixes) for rule in provider.wire_rules}
    ranked = sorted(wires_of(provider), key=lambda wire: -alike.get(wire, 0))
    ranked.insert(0, resolved_wire(provider, model))
    return next((wire for wire in ranked if wire not in tried and model_id.fits(model, wire)), None)


def on_wire(route: Route, wire: Wire) -> Route:
    """Give the route of the same model at the same provider on `wire`."""
    if wire is route.wire:
        return route
    provider = route.provider
    return replace(
        route, wire=wire, base_url=base_url.canonical(provider.api_base, wire=wire, version=provider.version)
    )


def _shared(one: str, other: str) -> int:
    """Count the letters that both begin with; a few mean nothing."""
    letters = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return letters if letters >= _LIKE else 0
