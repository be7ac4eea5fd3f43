"""The family of a model, before any network: the operator's word, the table, and what is tried after a refusal."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config_file import ProviderTable
from app.errors import ConfigError
from app.providers import family, model_id
from app.providers.catalog import CATALOG
from app.providers.complaint import Complaint
from app.providers.mismatch import is_mismatch
from app.providers.provider import Wire
from app.providers.registry import build_registry
from tests.providers.model_ids import model_ids
from tests.zen import GO, ZEN

ROW = next(row for row in CATALOG if row.id == "opencode_zen")
WIRES = st.sampled_from(list(Wire))


@pytest.mark.parametrize(("provider", "table"), [("opencode_zen", ZEN), ("opencode_go", GO)])
def test_the_table_has_every_documented_model(provider: str, table: dict[str, Wire]) -> None:
    registry = build_registry({})

    assert {model: registry.resolve(provider, model).wire for model in table} == table


@pytest.mark.parametrize(
    ("model", "wire"),
    [
        ("gpt-5-nano", Wire.OPENAI_CHAT),
        ("gpt-5-nano-2", Wire.ANTHROPIC_MESSAGES),
        ("gpt-5", Wire.GEMINI),
        ("gpt-6-luna", Wire.GEMINI),
        ("openai/gpt-5-nano", Wire.OPENAI_CHAT),
        ("claude-haiku-4-5", Wire.ANTHROPIC_MESSAGES),
    ],
)
def test_a_whole_id_counts_before_the_longest_beginning_and_that_before_the_table(model: str, wire: Wire) -> None:
    wires = {"gpt-*": "gemini", "opencode/gpt-5-nano": "openai_chat", "gpt-5-nano*": "anthropic_messages"}
    registry = build_registry({"opencode_zen": ProviderTable(wires=wires)})

    assert registry.resolve("opencode_zen", model).wire is wire


@pytest.mark.parametrize(
    ("wires", "said"),
    [
        ({"gpt-5": "openai-chat"}, ["[providers.opencode_zen]", "wires.gpt-5", "did you mean openai_chat"]),
        ({"gpt 5": "openai_chat"}, ["[providers.opencode_zen]", "wires.gpt 5", "model id"]),
        ({"..*": "openai_chat"}, ["wires...*", "model id"]),
        ({"*": "nothing"}, ["wires.*"]),
        ({"a/b": "gemini"}, ["wires.a/b", "model id"]),
    ],
)
def test_a_word_that_cannot_be_meant_stops_the_start_with_its_key(wires: dict[str, str], said: list[str]) -> None:
    with pytest.raises(ConfigError) as stopped:
        build_registry({"opencode_zen": ProviderTable(wires=wires)})

    assert [part for part in said if part not in str(stopped.value)] == []


def test_words_for_a_provider_with_one_wire_make_it_speak_several() -> None:
    table = ProviderTable(api_base="http://127.0.0.1:9/v1", models=["a"], wires={"claude-*": "anthropic_messages"})
    row = build_registry({"ours": table}).get("ours")

    assert family.wires_of(row) == (Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES)
    assert not family.may_move(row, "a"), "it does not say how it refuses"


@pytest.mark.parametrize(
    ("model", "first"),
    [
        ("grok-4.7", Wire.OPENAI_CHAT),
        ("qwen3.8-max", Wire.ANTHROPIC_MESSAGES),
        ("qwen3.7-max", Wire.OPENAI_CHAT),
        ("kimi-k3", Wire.ANTHROPIC_MESSAGES),
        ("gpt-oss-20b", Wire.OPENAI_RESPONSES),
    ],
)
def test_models_with_a_like_name_show_where_one_has_moved(model: str, first: Wire) -> None:
    tried = [family.resolved_wire(ROW, model)]

    assert family.next_wire(ROW, model, tried) is first


@given(model_ids, st.dictionaries(st.sampled_from(["gpt-*", "a*", "kimi-k3"]), WIRES), st.sets(WIRES))
def test_each_wire_is_tried_at_most_once_and_only_where_the_id_fits(
    model: str, wires: dict[str, Wire], refused: set[Wire]
) -> None:
    row = replace(ROW, wires=wires)
    tried = list(refused)

    while (following := family.next_wire(row, model, tried)) is not None:
        assert following not in tried
        assert model_id.fits(model, following)
        tried.append(following)

    assert len(tried) - len(refused) <= len(family.wires_of(row))
    left = set(family.wires_of(row)) - set(tried)
    assert [wire for wire in left if model_id.fits(model, wire)] == []


@given(
    st.sampled_from([400, 401, 403, 404, 500]),
    st.sampled_from(["ModelError", "modelerror", "AuthError", ""]),
    st.sampled_from(
        ["Model x is not supported for format google", "Model x is not supported", "IS NOT SUPPORTED FOR FORMAT"]
    ),
)
def test_only_the_exact_answer_is_a_mismatch(status: int, name: str, message: str) -> None:
    complaint = Complaint(names=(name,), message=message, structured=True)

    expected = status == 401 and name == "ModelError" and "for format" in message.lower()
    assert is_mismatch(ROW.mismatch, status, complaint) is expected
    assert not is_mismatch(None, status, complaint)
