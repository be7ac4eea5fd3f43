"""The facts about models that come with the gateway: `models_snapshot.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from app.providers.model_info import ModelInfo, ModelSource, ModelStatus, Price

_FILE: Final = Path(__file__).with_name("models_snapshot.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was known on one day."""

    checked_on: date
    models: Mapping[str, Mapping[str, ModelInfo]]
    """By provider and id."""
    families: Mapping[tuple[str, str], str]
    """The wire that served a model, by provider and id. `WireRule`s decide where a call goes; these can be checked."""

    def find(self, provider: str, model: str) -> ModelInfo | None:
        """Give what is known of one model."""
        return self.models.get(provider, {}).get(model)

    def offered(self, provider: str) -> dict[str, ModelInfo]:
        """Give those that a person may choose, by id, sorted."""
        known = self.models.get(provider, {})
        return {name: known[name] for name in sorted(known) if known[name].status is not ModelStatus.RETIRED}


def read_snapshot(text: str) -> Snapshot:
    """Read it; a mistake in it raises `KeyError`, `TypeError` or `ValueError`, which the tests see before anybody."""
    document = tomllib.loads(text)
    models: dict[str, dict[str, ModelInfo]] = {}
    families: dict[tuple[str, str], str] = {}
    for entry in document["models"]:
        facts = dict(entry)
        provider, ids, family = facts.pop("provider"), facts.pop("ids"), facts.pop("family", None)
        known = models.setdefault(provider, {})
        for name in ids:
            known[name] = _info(name, facts).over(known.get(name))
            if family is not None:
                families[provider, name] = family
    frozen = {provider: MappingProxyType(known) for provider, known in models.items()}
    return Snapshot(
        checked_on=document["checked_on"], models=MappingProxyType(frozen), families=MappingProxyType(families)
    )


def _info(name: str, facts: Mapping[str, Any]) -> ModelInfo:
    given = dict(facts)
    if "price" in given:
        given["price"] = Price(**given["price"])
    if "status" in given:
        given["status"] = ModelStatus(given["status"])
    return ModelInfo(id=name, source=ModelSource.SNAPSHOT, **given)


SNAPSHOT: Final = read_snapshot(_FILE.read_text(encoding="utf-8"))
"""Read where this is first imported, before any event loop runs."""
