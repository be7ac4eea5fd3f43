"""Provider and model to route, before any network."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.config_file import ProviderTable
from app.errors import (
    ConfigError,
    GatewayError,
    InvalidInput,
    InvalidModelForProvider,
    ProviderNotAvailable,
    ProviderRetired,
)
from app.providers.catalog import CATALOG
from app.providers.provider import Naming, Provider, Wire
from app.providers.registry import Registry, build_registry, normalise
from tests.providers.model_ids import model_ids

REGISTRY = build_registry({})
LIVE = [row for row in CATALOG if row.retired is None]
WITH_DEFAULT = [row for row in LIVE if row.default_model is not None]


def error_of(provider: str, model: str | None) -> GatewayError | None:
    try:
        REGISTRY.resolve(provider, model)
    except GatewayError as error:
        return error
    return None


def resolved(provider: str, model: str | None) -> str:
    return REGISTRY.resolve(provider, model).model


@pytest.mark.parametrize("row", WITH_DEFAULT, ids=lambda row: row.id)
def test_every_default_resolves_to_itself_with_and_without_its_prefix(row: Provider) -> None:
    route = REGISTRY.resolve(row.id, None)

    assert route.model == row.default_model
    assert (route.provider.id, route.base_url) == (row.id, row.api_base)
    for spelling in (row.default_model, f"{row.routing_prefix}/{row.default_model}", f" {row.default_model} ", "  "):
        assert resolved(row.id, spelling) == row.default_model


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o", "gpt-4o"),
        ("openai", "openai/gpt-4o", "gpt-4o"),
        ("openai", "openai/openai/gpt-4o", "gpt-4o"),
        ("anthropic", "anthropic/claude-haiku-4-5", "claude-haiku-4-5"),
        ("gemini", "gemini/gemini-3.8-flash", "gemini-3.8-flash"),
        ("gemini", "models/gemini-3.8-flash", "gemini-3.8-flash"),
        ("gemini", "google/gemini-3.8-flash", "gemini-3.8-flash"),
        ("ollama", "ollama/llama3.1:8b", "llama3.1:8b"),
        ("ollama", "ollama_chat/llama3.1:8b", "llama3.1:8b"),
        (
            "ollama",
            "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",
            "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",
        ),
        ("ollama", "somebody/their-model", "somebody/their-model"),
        ("groq", "groq/openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("groq", "groq/llama-3.1-8b-instant", "llama-3.1-8b-instant"),
        ("groq", "compound", "groq/compound"),
        ("groq", "groq/compound", "groq/compound"),
        ("groq", "groq/groq/compound-mini", "groq/compound-mini"),
        ("openrouter", "auto", "openrouter/auto"),
        ("openrouter", "openrouter/auto", "openrouter/auto"),
        ("openrouter", "openrouter/openrouter/auto", "openrouter/auto"),
        ("openrouter", "anthropic/claude-haiku-4.5", "anthropic/claude-haiku-4.5"),
        ("openrouter", "openrouter/anthropic/claude-haiku-4.5:free", "anthropic/claude-haiku-4.5:free"),
        ("nvidia", "nvidia/nemotron-3-nano-30b-a3b", "nvidia/nemotron-3-nano-30b-a3b"),
        ("nvidia", "nvidia/nvidia/nemotron-3-nano-30b-a3b", "nvidia/nemotron-3-nano-30b-a3b"),
        ("nvidia", "nvidia_nim/meta/llama-3.1-70b", "meta/llama-3.1-70b"),
        ("together", "together_ai/openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("fireworks", "fireworks/accounts/fireworks/models/glm-5p3", "accounts/fireworks/models/glm-5p3"),
        ("opencode_zen", "openai/gpt-5-nano", "gpt-5-nano"),
        ("opencode_zen", "anthropic/claude-haiku-4-5", "claude-haiku-4-5"),
        ("opencode_zen", "opencode/openai/gpt-5-nano", "gpt-5-nano"),
        ("opencode_zen", "opencode_zen/kimi-k3", "kimi-k3"),
        ("zai", "zai-org/glm-5.3", "glm-5.3"),
        ("lmstudio", "lmstudio/openai/gpt-oss-20b", "openai/gpt-oss-20b"),
    ],
)
def test_routing_prefixes_come_off_and_own_prefixes_stay(provider: str, model: str, expected: str) -> None:
    assert resolved(provider, model) == expected


@pytest.mark.parametrize(
    ("model", "wire"),
    [
        ("gpt-6-luna", Wire.OPENAI_RESPONSES),
        ("gpt-5-nano", Wire.OPENAI_RESPONSES),
        ("grok-4.7", Wire.OPENAI_RESPONSES),
        ("muse-spark-1.3", Wire.OPENAI_RESPONSES),
        ("claude-haiku-4-5", Wire.ANTHROPIC_MESSAGES),
        ("qwen3.8-flash", Wire.ANTHROPIC_MESSAGES),
        ("qwen3.7-max", Wire.ANTHROPIC_MESSAGES),
        ("qwen3.7-plus", Wire.ANTHROPIC_MESSAGES),
        ("qwen3.6-plus", Wire.ANTHROPIC_MESSAGES),
        ("qwen3.5-plus", Wire.ANTHROPIC_MESSAGES),
        ("qwen3.8-max", Wire.OPENAI_CHAT),
        ("qwen3.6-plus-free", Wire.OPENAI_CHAT),
        ("gemini-3.5-flash-lite", Wire.GEMINI),
        ("deepseek-v4.1-flash", Wire.OPENAI_CHAT),
        ("kimi-k3", Wire.OPENAI_CHAT),
        ("big-pickle", Wire.OPENAI_CHAT),
    ],
)
def test_zen_models_go_to_the_wire_of_their_family_at_one_base(model: str, wire: Wire) -> None:
    route = REGISTRY.resolve("opencode_zen", model)

    assert (route.wire, route.base_url) == (wire, "https://opencode.ai/zen/v1")


@pytest.mark.parametrize(
    ("model", "wire"),
    [
        ("gpt-6-luna", Wire.OPENAI_RESPONSES),
        ("gpt-6.1-sol", Wire.OPENAI_RESPONSES),
        ("gpt-5.6-luna", Wire.OPENAI_RESPONSES),
        ("gpt-5.5-pro", Wire.OPENAI_RESPONSES),
        ("gpt-5.1-codex-mini", Wire.OPENAI_RESPONSES),
        ("o3-pro", Wire.OPENAI_RESPONSES),
        ("gpt-5.5", Wire.OPENAI_CHAT),
        ("gpt-5-nano", Wire.OPENAI_CHAT),
        ("gpt-4o", Wire.OPENAI_CHAT),
        ("o3", Wire.OPENAI_CHAT),
    ],
)
def test_openai_models_that_need_responses_get_it(model: str, wire: Wire) -> None:
    assert REGISTRY.resolve("openai", f"openai/{model}").wire is wire


@pytest.mark.parametrize("spelling", ["groq", " Groq ", "GROQ", "LlmProviders.groq", "llmproviders.GROQ\n"])
def test_the_spelling_of_a_provider_id_does_not_matter(spelling: str) -> None:
    assert REGISTRY.get(spelling).id == normalise(spelling) == "groq"


@pytest.mark.parametrize("provider", ["nosuch", "", "groq/llama", "a" * 5000, "gr\x00q", "😀"])
def test_an_unknown_provider_names_the_known_ones(provider: str) -> None:
    with pytest.raises(ProviderNotAvailable) as caught:
        REGISTRY.resolve(provider, None)

    assert "openai" in caught.value.action
    assert "github_models" not in caught.value.action
    assert len(caught.value.origin.provider or "") <= 100


def test_a_mistyped_provider_gets_the_nearest_one() -> None:
    with pytest.raises(ProviderNotAvailable) as caught:
        REGISTRY.get("openia")

    assert caught.value.did_you_mean[0] == "openai"
    assert caught.value.message == "Provider is not available for chat."


def test_a_disabled_provider_is_not_available_and_not_listed() -> None:
    registry = build_registry({"groq": ProviderTable(enabled=False)})

    with pytest.raises(ProviderNotAvailable) as caught:
        registry.resolve("groq", None)

    assert "groq" not in caught.value.action.replace(",", "").split()
    assert "groq" not in [row.id for row in registry.all()]
    assert "groq" in registry.providers


def test_a_retired_provider_says_when_and_is_still_listed() -> None:
    with pytest.raises(ProviderRetired) as caught:
        REGISTRY.resolve("github_models", "gpt-4o")

    assert caught.value.http_status == 410
    assert "30 July 2026" in caught.value.message
    assert (caught.value.origin.provider, caught.value.origin.label) == ("github_models", "GitHub Models")
    assert "github_models" in [row.id for row in REGISTRY.all()]


def test_a_provider_without_a_default_asks_for_the_model_by_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        REGISTRY.resolve("lmstudio", None)

    assert list(caught.value.fields) == ["model"]
    assert "LM Studio" in caught.value.fields["model"][0]


@pytest.mark.parametrize(
    ("provider", "model", "suggested", "other"),
    [
        ("openai", "anthropic/claude-haiku-4-5", "openai/claude-haiku-4-5", "Anthropic (anthropic)"),
        ("anthropic", "openai/gpt-4o", "anthropic/gpt-4o", "OpenAI (openai)"),
        ("gemini", "openai/gpt-4o", "gemini/gpt-4o", "OpenAI (openai)"),
        ("groq", "mistral/mistral-small-latest", "groq/mistral-small-latest", "Mistral (mistral)"),
        ("groq", "groq/anthropic/claude-haiku-4-5", "groq/claude-haiku-4-5", "Anthropic (anthropic)"),
        ("mistral", "acme/model", "mistral/model", None),
        ("mistral", "a/b/model", "mistral/model", None),
        ("cerebras", "github/gpt-4o", "cerebras/gpt-4o", None),
    ],
)
def test_a_foreign_prefix_is_refused_with_the_corrected_id(
    provider: str, model: str, suggested: str, other: str | None
) -> None:
    with pytest.raises(InvalidModelForProvider) as caught:
        REGISTRY.resolve(provider, model)
    error = caught.value

    assert error.did_you_mean == (suggested,)
    assert suggested in error.action
    assert (other in error.action) if other else "choose the provider" not in error.action
    assert (error.origin.provider, error.origin.model) == (REGISTRY.get(provider).id, model)
    assert error.message == f"{model} is not a model id of {REGISTRY.get(provider).label}."
    assert REGISTRY.resolve(provider, suggested).provider.id == provider


@pytest.mark.parametrize("provider", ["openrouter", "opencode_zen", "huggingface", "vercel_ai_gateway", "lmstudio"])
def test_gateways_are_exempt_from_the_guard(provider: str) -> None:
    assert resolved(provider, "deepseek/deepseek-flash") == "deepseek/deepseek-flash"


@pytest.mark.parametrize("model", ["a b", "../x", "x?y", "x" * 300, "groq/../x", "groq//x", "openai/%2e"])
@pytest.mark.parametrize("provider", ["openai", "groq", "openrouter", "gemini"])
def test_an_unusable_model_id_names_the_field_and_is_not_repeated(provider: str, model: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        REGISTRY.resolve(provider, model)

    assert list(caught.value.fields) == ["model"]
    assert caught.value.origin.provider == provider
    assert model not in caught.value.sentence


def test_a_gateway_model_on_the_gemini_wire_is_checked_for_its_url() -> None:
    with pytest.raises(InvalidInput):
        REGISTRY.resolve("opencode_zen", "gemini-3.5/x")


@given(row=st.sampled_from(LIVE), model=model_ids)
def test_resolving_twice_is_resolving_once(row: Provider, model: str) -> None:
    """The list offers resolved ids, and a stored preference must stay literally one of them."""
    try:
        once = REGISTRY.resolve(row.id, model)
    except (InvalidInput, InvalidModelForProvider):
        return

    assert REGISTRY.resolve(row.id, once.model) == once
    if row.naming is Naming.BARE and not row.gateway:
        assert "/" not in once.model


@given(row=st.sampled_from(LIVE), model=model_ids)
@example(row=REGISTRY.get("gemini"), model="openai/gpt:4")
@example(row=REGISTRY.get("openai"), model="a/b/c")
def test_every_suggestion_works(row: Provider, model: str) -> None:
    error = error_of(row.id, model)
    for suggestion in error.did_you_mean if error else ():
        assert error_of(row.id, suggestion) is None


@given(provider=st.text(max_size=40), model=st.one_of(st.none(), st.text(max_size=40), model_ids))
def test_nothing_but_typed_errors_leaves_the_registry(provider: str, model: str | None) -> None:
    for name in (provider, "openai", "gemini", "openrouter"):
        found = error_of(name, model)
        assert found is None or (found.http_status in {400, 410} and found.action)


def test_the_demo_comes_first_and_counts_as_configured() -> None:
    registry = build_registry({}, demo_base_url="http://127.0.0.1:4321")

    assert registry.all()[0].id == "demo"
    assert registry.configured_ids == {"demo"}
    assert registry.resolve("demo", None).base_url == "http://127.0.0.1:4321/v1"
    assert registry.resolve("demo", None).origin == "http://127.0.0.1:4321"
    assert "demo" not in [row.id for row in REGISTRY.all()]


def test_a_registry_is_made_of_rows_alone() -> None:
    row = Provider(id="mine", label="Mine", api_base="http://h/", default_model="m")
    registry = Registry({"mine": row})

    assert registry.resolve("mine", None).base_url == "http://h/v1"
    assert registry.configured_ids == frozenset()


def test_a_default_that_cannot_be_used_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"\[providers.openai\] default_model"):
        build_registry({"openai": ProviderTable(default_model="anthropic/claude-haiku-4-5")})
