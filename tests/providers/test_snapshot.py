"""The facts that come with the gateway: ids that resolve to themselves, on the wire that the rules choose."""

from typing import Any

import pytest

from app.providers.catalog import CATALOG
from app.providers.model_info import ModelInfo, ModelSource, ModelStatus
from app.providers.registry import build_registry
from app.providers.snapshot import SNAPSHOT, read_snapshot

EVERY = [(provider, model) for provider, models in SNAPSHOT.models.items() for model in models]


@pytest.mark.parametrize(("provider", "model"), EVERY)
def test_each_model_is_one_that_can_be_asked(provider: str, model: str) -> None:
    registry = build_registry({})
    row = registry.providers[provider]
    if row.retired is None:
        assert registry.resolve(provider, model).model == model
        assert registry.wire_of(row, model).value == SNAPSHOT.families[provider, model]
    else:
        assert SNAPSHOT.offered(provider) == {}


def test_defaults_that_are_known_are_alive() -> None:
    for row in CATALOG:
        fact = SNAPSHOT.find(row.id, row.default_model or "")
        assert fact is None or row.retired or fact.status is ModelStatus.AVAILABLE


@pytest.mark.parametrize(
    ("provider", "model", "status"),
    [
        ("anthropic", "claude-sonnet-4-20250514", ModelStatus.DEPRECATED),
        ("groq", "llama-3.3-70b-versatile", ModelStatus.RETIRED),
        ("gemini", "gemini-2.0-flash", ModelStatus.RETIRED),
        ("github_models", "openai/gpt-4o", ModelStatus.RETIRED),
    ],
)
def test_what_has_ended_is_marked(provider: str, model: str, status: ModelStatus) -> None:
    fact = SNAPSHOT.find(provider, model)

    assert fact is not None
    assert fact.status is status
    assert (model in SNAPSHOT.offered(provider)) == (status is not ModelStatus.RETIRED)


def test_entries_add_up() -> None:
    luna = SNAPSHOT.find("opencode_zen", "gpt-6-luna")

    assert luna is not None
    assert (luna.status, luna.context_tokens, luna.tools) == (ModelStatus.AVAILABLE, 1_050_000, True)
    assert luna.price is not None
    assert (luna.price.input, luna.price.output) == (0.10, 0.50)


@pytest.mark.parametrize("wrong", ['status = "gone"', "windows = 3", "price = 3"])
def test_a_mistake_in_the_file_is_noticed(wrong: str) -> None:
    text = f'checked_on = 2026-11-22\n[[models]]\nprovider = "openai"\nids = ["a"]\n{wrong}\n'

    with pytest.raises((TypeError, ValueError)):
        read_snapshot(text)


def test_a_live_list_outranks_the_snapshot_and_being_listed_contradicts_only_an_end() -> None:
    def listed(**facts: Any) -> ModelInfo:
        return ModelInfo(id="m", source=ModelSource.LIVE, status=ModelStatus.AVAILABLE, **facts)

    fact = ModelInfo(id="m", label="M", context_tokens=5_000, tools=True, status=ModelStatus.RETIRED)
    merged = listed(context_tokens=9_000, tools=False).over(fact)

    assert (merged.label, merged.context_tokens, merged.tools, merged.source) == ("M", 9_000, False, ModelSource.LIVE)
    assert merged.status is ModelStatus.AVAILABLE
    old = ModelInfo(id="m", status=ModelStatus.DEPRECATED)
    assert listed().over(old).status is ModelStatus.DEPRECATED
