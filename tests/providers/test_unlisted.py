"""Which models a list rules out, and which it names instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config_file import ProviderTable
from app.providers.model_info import ModelInfo, ModelList, ModelStatus
from app.providers.registry import build_registry
from app.providers.unlisted import is_unlisted, similar


def listed(*names: str) -> ModelList:
    models = {name: ModelInfo(id=name) for name in sorted(names)}
    return ModelList(models=models, named=frozenset(name.lower() for name in names))


@pytest.mark.parametrize(
    ("provider", "asked", "names"),
    [
        # The same model in another spelling.
        ("openai", "gpt-4o", ["gpt-4o-2024-08-06"]),
        ("openai", "gpt-4o-2024-08-06", ["gpt-4o"]),
        ("openai", "GPT-4o", ["gpt-4o"]),
        ("openai", "ft:gpt-4o:acme::x1", ["ft:gpt-4o:acme::x1"]),
        ("anthropic", "claude-haiku-4-5", ["claude-haiku-4-5-20251001"]),
        ("anthropic", "claude-sonnet-4-0", ["claude-sonnet-4-20250514"]),
        ("anthropic", "claude-opus-latest", ["claude-haiku-4-5"]),
        ("gemini", "gemini-2.5-flash", ["gemini-2.5-flash-preview-05-20"]),
        ("gemini", "gemini-2.5-flash-001", ["gemini-2.5-flash"]),
        ("gemini", "gemini-flash-latest", ["gemini-3.8-flash"]),
        ("ollama", "llama3.1", ["llama3.1:latest"]),
        ("ollama", "llama3.1:70b", ["llama3.1:8b"]),
        ("ollama", "library/llama3.1", ["llama3.1:latest"]),
        ("groq", "groq/compound", ["openai/gpt-oss-120b"]),
        ("groq", "gpt-oss-120b", ["openai/gpt-oss-120b"]),
        ("mistral", "mistral-small-latest", ["mistral-medium-2505"]),
        ("mistral", "mistral-large-2411", ["mistral-large-2512"]),
    ],
)
def test_another_spelling_of_what_is_listed_is_not_ruled_out(provider: str, asked: str, names: list[str]) -> None:
    assert not is_unlisted(build_registry({}).get(provider), listed(*names, "something-else"), asked)


@pytest.mark.parametrize(
    ("provider", "asked", "names"),
    [
        ("openai", "gpt-6-lunar", ["gpt-6-luna"]),
        ("openai", "gpt-7", ["gpt-6-luna", "gpt-5"]),
        ("anthropic", "claude-haiku-3", ["claude-haiku-4-5"]),
        ("gemini", "gemini-2.0-flash", ["gemini-3.8-flash"]),
        ("ollama", "mistral", ["llama3.1:latest"]),
        ("groq", "llama-3.3-70b-versatile", ["openai/gpt-oss-120b"]),
        ("opencode_zen", "claude-sonnet-4", ["claude-haiku-4-5", "gpt-6-luna"]),
    ],
)
def test_another_model_is(provider: str, asked: str, names: list[str]) -> None:
    assert is_unlisted(build_registry({}).get(provider), listed(*names), asked)


def test_what_the_operator_lists_is_not_ruled_out() -> None:
    row = build_registry({"openai": ProviderTable(models=["mine"])}).get("openai")

    assert not is_unlisted(row, listed("gpt-6-luna"), "mine")


@given(st.lists(st.from_regex(r"[a-z0-9][a-z0-9.:-]{0,12}", fullmatch=True), min_size=1, max_size=6), st.data())
def test_what_is_listed_is_never_ruled_out(names: list[str], data: st.DataObject) -> None:
    row = build_registry({}).get("openai")
    asked = data.draw(st.sampled_from(names))

    for one in (asked, asked.upper(), f"{asked}-20260101", f"{asked}-latest"):
        assert not is_unlisted(row, listed(*names), one)


@pytest.mark.parametrize(
    ("asked", "names", "expected"),
    [
        ("gpt-6-lunar", ["gpt-6-luna", "gpt-6-sol", "claude-haiku-4-5"], ("gpt-6-luna", "gpt-6-sol")),
        ("gemini-2.0-flash", ["gemini-3.8-flash", "gemini-3.1-pro", "gpt-5"], ("gemini-3.8-flash", "gemini-3.1-pro")),
        ("claude-3-opus", ["claude-opus-5-5", "gpt-5", "grok-4.7"], ("claude-opus-5-5",)),
        ("gpt-oss-12b", ["openai/gpt-oss-120b", "qwen/qwen3-32b"], ("openai/gpt-oss-120b",)),
        ("gpt-1", ["gpt-2", "gpt-3", "gpt-4", "gpt-5"], ("gpt-5", "gpt-4", "gpt-3")),
        ("zzz", ["gpt-5"], ()),
        ("gpt-5", ["gpt-5"], ()),
        ("x", [], ()),
    ],
)
def test_what_may_have_been_meant(asked: str, names: list[str], expected: tuple[str, ...]) -> None:
    found = similar(listed(*names).models.values(), asked)

    assert set(found) == set(expected)
    assert found[:1] == expected[:1] or asked == "gpt-1"


def test_a_retired_model_is_not_suggested() -> None:
    models = [ModelInfo(id="gpt-5", status=ModelStatus.RETIRED), ModelInfo(id="gpt-6")]

    assert similar(models, "gpt-4") == ("gpt-6",)


@given(st.lists(st.text("ab/-.1", min_size=1, max_size=6), max_size=8, unique=True), st.text("ab/-.1", min_size=1))
def test_suggestions_are_at_most_three_of_the_list(names: list[str], asked: str) -> None:
    found = similar([ModelInfo(id=name) for name in names], asked)

    assert len(found) == len(set(found)) <= 3
    assert set(found) <= set(names) - {asked}
