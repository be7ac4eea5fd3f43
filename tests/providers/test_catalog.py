"""The rows: complete, unambiguous, without secrets."""

import re

import pytest

from app.providers import base_url, model_id
from app.providers.catalog import CATALOG, ROUTING_PREFIXES, VOYAGE_PROVIDERS, demo_row
from app.providers.provider import ListShape, Naming, Provider, Wire

VOYAGE = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "gemini": "Google Gemini",
    "ollama": "Ollama",
    "groq": "Groq",
    "mistral": "Mistral",
    "github_models": "GitHub Models",
    "openrouter": "OpenRouter",
    "opencode_zen": "OpenCode Zen",
}
every_row = pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.id)


def test_voyages_nine_are_there_under_their_ids_and_labels() -> None:
    assert {row.id: row.label for row in VOYAGE_PROVIDERS} == VOYAGE


def test_ids_and_prefixes_name_one_provider_each() -> None:
    assert len({row.id for row in CATALOG}) == len(CATALOG) >= 21
    owners = [
        (prefix, row.id)
        for row in CATALOG
        for prefix in {row.id, row.routing_prefix, *(() if row.gateway else row.aliases)}
    ]
    assert len({prefix for prefix, _ in owners}) == len(owners)


@every_row
def test_the_base_url_stands_in_its_canonical_form_for_every_wire(row: Provider) -> None:
    if row.own_address:
        assert row.api_base == ""
        return
    for wire in {row.wire, *(rule.wire for rule in row.wire_rules)}:
        assert base_url.canonical(row.api_base, wire=wire, version=row.version) == row.api_base
    assert row.api_base.startswith("https://") or not row.needs_api_key


@every_row
def test_only_what_is_on_this_machine_may_be_anywhere(row: Provider) -> None:
    assert row.guarded is not row.api_base.startswith("http://localhost:")


@every_row
def test_the_row_is_plain_data_that_the_voyage_list_can_show(row: Provider) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", row.id)
    assert row.label.strip() == row.label != ""
    assert not {"authorization", "x-api-key", "x-goog-api-key"} & {name.lower() for name in row.headers}


@every_row
def test_model_ids_are_written_as_the_provider_writes_them(row: Provider) -> None:
    for model in (*row.models, *([row.default_model] if row.default_model else [])):
        model_id.check(model, row.wire)
        if row.naming is Naming.BARE:
            assert "/" not in model
        if row.naming is Naming.NAMESPACED:
            assert "/" in model


@every_row
def test_a_row_without_a_list_names_its_models(row: Provider) -> None:
    assert row.models_list is not None or row.models or row.retired
    assert row.default_model is None or not row.models or row.default_model in row.models


def test_other_wires_have_their_list() -> None:
    rows = {row.id: row for row in CATALOG}
    shown = {name: (rows[name].wire, rows[name].models_list) for name in ("anthropic", "gemini", "ollama")}

    assert shown == {
        "anthropic": (Wire.ANTHROPIC_MESSAGES, ListShape.ANTHROPIC),
        "gemini": (Wire.GEMINI, ListShape.GEMINI),
        "ollama": (Wire.OLLAMA, ListShape.OLLAMA),
    }


def test_openrouter_is_told_who_we_are_instead_of_the_library() -> None:
    headers = next(row for row in CATALOG if row.id == "openrouter").headers

    assert headers == {"HTTP-Referer": "http://localhost", "X-Title": "Voyage LLM gateway"}


def test_the_prefix_guard_knows_providers_and_not_the_vendors_of_a_gateway() -> None:
    assert {"openai", "anthropic", "gemini", "groq", "together_ai", "github"} <= ROUTING_PREFIXES
    assert not {"models", "opencode", "meta-llama", "qwen"} & ROUTING_PREFIXES


def test_the_demo_is_no_row_of_the_catalogue_and_needs_no_key() -> None:
    demo = demo_row("http://127.0.0.1:9/v1")

    assert "demo" not in {row.id for row in CATALOG}
    assert (demo.id, demo.needs_api_key, demo.default_model) == ("demo", False, "demo-small")
