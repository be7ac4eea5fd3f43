"""Provider and model to Route: pure, without network, the same answer every time."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from app.config_file import ProviderTable
from app.errors import (
    ConfigError,
    GatewayError,
    InvalidInput,
    InvalidModelForProvider,
    Origin,
    ProviderNotAvailable,
    ProviderRetired,
)
from app.providers import base_url, model_id, naming
from app.providers.catalog import CATALOG, demo_row
from app.providers.family import resolved_wire, wires_of
from app.providers.operator import operator_row
from app.providers.provider import Lane, Provider, Route, Wire, lane_of

_VOYAGE_ENUM: Final = "llmproviders."
_MAX_ROUTES: Final = 1_000
"""Resolved ones that are kept; people may name any model."""
_SHOWN_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Registry:
    """The providers of this gateway."""

    providers: Mapping[str, Provider]
    """By id, disabled and retired ones included."""
    configured_ids: frozenset[str] = frozenset()
    """Those that the operator's file names, and the demo: a keyless one of these is ready for everybody."""
    forced_lane: Lane | None = None
    """The lane of every call, whatever the providers' own; Ollama's wire is litellm's all the same."""
    _routes: dict[tuple[str, str | None], Route] = field(
        default_factory=dict[tuple[str, str | None], Route], init=False, repr=False, compare=False
    )
    """What has been resolved: every message asks, nearly all for the same few."""

    def all(self) -> tuple[Provider, ...]:
        """Give every provider that is not disabled, retired ones included, in the catalogue's order."""
        return tuple(provider for provider in self.providers.values() if provider.enabled)

    def get(self, provider_id: str) -> Provider:
        """Give one provider; blanks, capitals and Voyage's `LlmProviders.` before the id do not matter.

        Raises `ProviderNotAvailable` for an unknown or disabled one and `ProviderRetired` for one that is gone.
        """
        name = normalise(provider_id)
        provider = self.providers.get(name)
        if provider is None or not provider.enabled:
            raise self._not_available(name)
        if provider.retired is not None:
            origin = Origin(provider=provider.id, label=provider.label)
            raise ProviderRetired(provider.retired, origin=origin)
        return provider

    def resolve(self, provider_id: str, model: str | None) -> Route:
        """Give the route of one model call; no model, or a blank one, is the provider's default.

        Routing prefixes come off, so resolving a resolved id changes nothing. Raises what `get` raises,
        `InvalidInput` for an unusable id or a missing default, and `InvalidModelForProvider` for an id that carries
        another provider's prefix.
        """
        known = self._routes.get((provider_id, model))
        if known is None:
            known = self._resolved(provider_id, model)
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            self._routes[provider_id, model] = known
        return known

    def _resolved(self, provider_id: str, model: str | None) -> Route:
        provider = self.get(provider_id)
        asked = (model or "").strip() or provider.default_model
        if asked is None:
            origin = Origin(provider=provider.id, label=provider.label)
            reason = f"{provider.label} has no default model; name one of its models."
            message = "No model was named."
            raise InvalidInput(message, origin=origin, fields={"model": [reason]})
        own = self._checked_id(provider, asked)
        wire = resolved_wire(provider, own)
        model_id.check(own, wire, origin=Origin(provider=provider.id, label=provider.label))
        base = ""
        if not provider.own_address:
            base = base_url.canonical(provider.api_base, wire=wire, version=provider.version)
        lane = lane_of(wire, self.forced_lane, provider.lane)
        return Route(provider=provider, model=own, wire=wire, base_url=base, lane=lane)

    def may_take(self, provider_id: str, lane: Lane) -> bool:
        """Tell whether calls to a provider, which need not exist, may go through `lane`."""
        provider = self.providers.get(normalise(provider_id))
        if provider is None or not provider.enabled or provider.retired is not None:
            return False
        return any(lane_of(wire, self.forced_lane, provider.lane) is lane for wire in wires_of(provider))

    def wire_of(self, provider: Provider, model: str) -> Wire:
        """Give the wire that serves `model`, one of `provider`'s own ids."""
        return resolved_wire(provider, model)

    def _checked_id(self, provider: Provider, asked: str) -> str:
        origin = Origin(provider=provider.id, label=provider.label)
        model_id.check(asked, Wire.OPENAI_CHAT, origin=origin)
        own = naming.own_id(provider, asked)
        prefix = naming.foreign_prefix(provider, own)
        if prefix is None:
            return own
        suggested = _corrected(provider, own)
        raise InvalidModelForProvider(
            origin=Origin(provider=provider.id, label=provider.label, model=asked),
            action=self._advice(prefix, suggested),
            did_you_mean=[suggested] if suggested else [],
        )

    def _advice(self, prefix: str, suggested: str | None) -> str:
        other = next((row for row in self._offered() if prefix in {row.id, row.routing_prefix}), None)
        ways = [f"use {suggested}"] if suggested else ["use an id of this provider"]
        if other is not None:
            ways.append(f"choose the provider {other.label} ({other.id})")
        text = ", or ".join(ways)
        return f"{text[0].upper()}{text[1:]}."

    def _offered(self) -> tuple[Provider, ...]:
        return tuple(provider for provider in self.all() if provider.retired is None)

    def _not_available(self, name: str) -> ProviderNotAvailable:
        ids = [provider.id for provider in self._offered()]
        return ProviderNotAvailable(
            origin=Origin(provider=name if _SHOWN_ID.fullmatch(name) else None),
            action=f"Choose one of {', '.join(ids)}.",
            did_you_mean=difflib.get_close_matches(name[:100], ids, n=3, cutoff=0.6),
        )


def build_registry(
    tables: Mapping[str, ProviderTable], *, demo_base_url: str | None = None, lane: str | None = None
) -> Registry:
    """Give the catalogue as the operator's tables change it, with the demo provider when it has an address.

    `lane` is that of every call, whatever the tables say. Raises `ConfigError` that names the table and the key.
    """
    demo = [] if demo_base_url is None else [demo_row(demo_base_url)]
    rows = {row.id: row for row in (*demo, *CATALOG)}  # the demo first: where nobody names a provider, it answers
    changed = {name: operator_row(name, table, rows) for name, table in tables.items()}
    registry = Registry(
        MappingProxyType(rows | changed), frozenset(changed) | {row.id for row in demo}, Lane(lane) if lane else None
    )
    for provider in changed.values():
        _check_default(registry, provider)
    return registry


def normalise(provider_id: str) -> str:
    """Give a provider id in the form that the catalogue uses."""
    return provider_id.strip().lower().removeprefix(_VOYAGE_ENUM)


def _check_default(registry: Registry, provider: Provider) -> None:
    if not provider.enabled or provider.retired is not None or provider.default_model is None:
        return
    try:
        registry.resolve(provider.id, None)
    except GatewayError as error:
        message = f"[providers.{provider.id}] default_model: {error.sentence}"
        raise ConfigError(message) from error


def _corrected(provider: Provider, own: str) -> str | None:
    """Give the id with `provider`'s prefix in place of the foreign one, if that can be its own."""
    for rest in (own.partition("/")[2], own.rpartition("/")[2]):
        candidate = naming.own_id(provider, rest)
        if naming.foreign_prefix(provider, candidate) is None and model_id.fits(
            candidate, resolved_wire(provider, candidate)
        ):
            return f"{provider.routing_prefix}/{rest}"
    return None
