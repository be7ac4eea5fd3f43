"""The operator's tables: they change rows of the catalogue, or add rows for private endpoints."""

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from app.config_file import ProviderTable, nearest, shown
from app.errors import ConfigError, GatewayError
from app.providers import base_url, model_id, naming
from app.providers.provider import Lane, Provider, Wire

_ID: Final = re.compile(r"(?!llmproviders\.)[a-z0-9][a-z0-9_.-]{0,99}")
_Choice = TypeVar("_Choice", bound=StrEnum)


def operator_row(provider_id: str, table: ProviderTable, known: Mapping[str, Provider]) -> Provider:
    """Give the row of `provider_id` as `table` makes it from the catalogue's, or the row of a new provider.

    Raises `ConfigError` that names the table and the key, never the value.
    """
    row = known.get(provider_id)
    try:
        if row is None:
            row = _new_row(provider_id, table, known)
        return _changed(row, table)
    except ConfigError as error:
        message = f"[providers.{shown(provider_id)}] {error}"
        raise ConfigError(message) from error


def _new_row(provider_id: str, table: ProviderTable, known: Mapping[str, Provider]) -> Provider:
    if not _ID.fullmatch(provider_id):
        message = "is no provider id: use lower-case letters, digits, - and _"
        raise ConfigError(message)
    missing = " and ".join(key for key, value in (("api_base", table.api_base), ("models", table.models)) if not value)
    if missing:
        message = f"{missing} missing: the catalogue has no such provider{nearest(provider_id, known)}"
        raise ConfigError(message)
    wire = _choice(Wire, "wire", table.wire) or Wire.OPENAI_CHAT
    return Provider(
        id=provider_id,
        label=provider_id,
        api_base=table.api_base or "",
        default_model=table.models[0] if table.models else None,
        wire=wire,
        version=base_url.default_version(wire),
        gateway=True,  # what a private endpoint calls its models is its own affair
    )


def _changed(row: Provider, table: ProviderTable) -> Provider:
    changes: dict[str, Any] = {
        key: value
        for key in ("label", "enabled", "needs_api_key", "default_model")
        if (value := getattr(table, key)) is not None
    }
    wire = _choice(Wire, "wire", table.wire)
    if wire is not None:
        changes |= {"wire": wire, "wire_rules": ()}
        if wire is not row.wire:
            changes |= {
                "version": base_url.default_version(wire),
                "litellm_prefix": "",
            }
    if table.wires is not None:
        changes["wires"] = MappingProxyType(dict(_wire_of(row, key, name) for key, name in table.wires.items()))
    lane = _choice(Lane, "lane", table.lane)
    if lane is not None:
        changes["lane"] = lane
        if lane is Lane.NATIVE and (wire or row.wire) is Wire.OLLAMA:
            message = "lane: the ollama wire is spoken by litellm only"
            raise ConfigError(message)
    if table.headers is not None:
        changes["headers"] = MappingProxyType({**row.headers, **table.headers})
    if table.models is not None:
        changes |= {"models": tuple(dict.fromkeys(table.models)), "models_list": None}
    if table.context_tokens is not None:
        changes["context_tokens"] = table.context_tokens
    changed = replace(row, deadlines=replace(row.deadlines, **table.timeouts.model_dump(exclude_none=True)), **changes)
    if table.api_base is not None:
        changed = _based(changed, table.api_base)
    _check_models(changed)
    return changed


def _wire_of(row: Provider, key: str, name: str) -> tuple[str, Wire]:
    """Give one entry of `wires`; the id in the form in which the provider writes it."""
    wire = _choice(Wire, f"wires.{shown(key)}", name) or row.wire
    star = "*" if key.endswith("*") else ""
    own = naming.own_id(row, key.removesuffix("*"))
    try:
        # The beginning of an id may end in anything that an id has inside, so it is looked at as if it went on.
        model_id.check(f"{own}x" if star else own, Wire.OPENAI_CHAT if star else wire)
    except GatewayError as error:
        message = f"wires.{shown(key)}: {error.sentence}"
        raise ConfigError(message) from error
    return f"{own}{star}", wire


def _based(row: Provider, api_base: str) -> Provider:
    version = "" if base_url.is_whole_endpoint(api_base, wire=row.wire) else row.version
    base = base_url.canonical(api_base, wire=row.wire, version=version)
    return replace(row, api_base=base, version=version, guarded=False, own_address=False)


def _check_models(row: Provider) -> None:
    for key, models in (("models", row.models), ("default_model", (row.default_model,) if row.default_model else ())):
        for model in models:
            try:
                model_id.check(model, row.wire)
            except GatewayError as error:
                message = f"{key}: {error.sentence}"
                raise ConfigError(message) from error


def _choice(kind: type[_Choice], key: str, value: str | None) -> _Choice | None:
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError as error:
        names = [member.value for member in kind]
        message = f"{key} is unknown{nearest(value.lower(), names)}; it is one of {', '.join(names)}"
        raise ConfigError(message) from error
