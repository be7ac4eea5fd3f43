"""What a provider itself calls a model."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers import naming
from app.providers.catalog import CATALOG
from app.providers.provider import Naming, Provider
from tests.providers.model_ids import model_ids

ROWS = {row.id: row for row in CATALOG}


@given(row=st.sampled_from(CATALOG), model=model_ids)
def test_the_own_id_is_its_own_own_id(row: Provider, model: str) -> None:
    own = naming.own_id(row, model)

    assert naming.own_id(row, own) == own
    assert own.rpartition("/")[2] == model.rpartition("/")[2]


@given(row=st.sampled_from(CATALOG), listed=st.lists(model_ids, min_size=1, max_size=4), data=st.data())
def test_a_listed_id_is_taken_as_it_is(row: Provider, listed: list[str], data: st.DataObject) -> None:
    changed = replace(row, models=tuple(listed), models_list=None)
    model = data.draw(st.sampled_from(listed))

    assert naming.own_id(changed, model) == model
    assert naming.foreign_prefix(changed, model) is None


@given(row=st.sampled_from(CATALOG), model=model_ids)
def test_a_gateway_knows_no_foreign_prefix(row: Provider, model: str) -> None:
    assert naming.foreign_prefix(replace(row, gateway=True), naming.own_id(row, model)) is None


@pytest.mark.parametrize(
    ("provider", "own", "prefix"),
    [
        ("openai", "gpt-4o", None),
        ("openai", "acme/gpt-4o", "acme"),
        ("groq", "openai/gpt-oss-120b", None),
        ("groq", "unknown-vendor/model", None),
        ("groq", "groq/compound", None),
        ("groq", "anthropic/claude", "anthropic"),
        ("groq", "together_ai/llama", "together_ai"),
        ("groq", "openrouter/auto", "openrouter"),
        ("nvidia", "anthropic/claude", None),
    ],
)
def test_a_prefix_is_foreign_where_it_cannot_be_a_vendor(provider: str, own: str, prefix: str | None) -> None:
    assert naming.foreign_prefix(ROWS[provider], own) == prefix


def test_every_mixed_row_names_its_vendors() -> None:
    assert all(row.namespaces for row in CATALOG if row.naming is Naming.MIXED)
