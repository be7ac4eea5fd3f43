"""The operator's tables: change a row, add a row, or stop the start with the key that is wrong."""

import pytest

from app.config_file import ProviderTable, Timeouts
from app.errors import ConfigError, InvalidModelForProvider
from app.providers.litellm_request import model_name
from app.providers.provider import Lane, ListShape, Wire
from app.providers.registry import build_registry

NEW = ProviderTable(api_base="http://10.0.0.7:8080", models=["qwen3-32b", "team/gpt-oss-20b"])


def test_no_table_leaves_the_catalogue_alone() -> None:
    assert build_registry({"groq": ProviderTable()}).get("groq") == build_registry({}).get("groq")


def test_a_row_is_changed_key_by_key() -> None:
    table = ProviderTable(
        api_base="https://Proxy.example.org/groq/v1/chat/completions/",
        default_model="groq/openai/gpt-oss-20b",
        label="Groq over the proxy",
        needs_api_key=False,
        headers={"x-team": "travel"},
        models=["openai/gpt-oss-20b", "compound", "openai/gpt-oss-20b"],
        lane="litellm",
        context_tokens=8_192,
        timeouts=Timeouts(connect_s=1.5, first_token_s=20, idle_s=30, total_s=40),
    )
    registry = build_registry({"groq": table})
    row = registry.get("groq")

    assert (row.api_base, row.label) == ("https://proxy.example.org/groq/v1", "Groq over the proxy")
    assert (row.needs_api_key, row.lane, dict(row.headers)) == (False, Lane.LITELLM, {"x-team": "travel"})
    assert (row.models, row.models_list) == (("openai/gpt-oss-20b", "compound"), None)
    assert (row.context_tokens, build_registry({}).get("groq").context_tokens) == (8_192, None)
    assert (row.deadlines.connect_s, row.deadlines.first_token_s) == (1.5, 20)
    assert (row.deadlines.idle_s, row.deadlines.total_s) == (30, 40)
    assert registry.resolve("groq", None).model == "openai/gpt-oss-20b"
    assert registry.resolve("groq", "compound").model == "compound"
    assert registry.configured_ids == {"groq"}
    assert [row.id for row in registry.all()] == [row.id for row in build_registry({}).all()]


def test_headers_are_added_to_the_rows_own() -> None:
    row = build_registry({"openrouter": ProviderTable(headers={"X-Title": "Our trips"})}).get("openrouter")

    assert dict(row.headers) == {"HTTP-Referer": "http://localhost", "X-Title": "Our trips"}


def test_a_wire_replaces_the_rules_of_the_row() -> None:
    registry = build_registry({"openai": ProviderTable(wire="openai_chat")})

    assert registry.resolve("openai", "gpt-6-luna").wire is Wire.OPENAI_CHAT


def test_another_wire_brings_its_own_version_and_library_name() -> None:
    route = build_registry({"ollama": ProviderTable(wire="openai_chat")}).resolve("ollama", None)

    assert (route.base_url, model_name(route)) == ("http://localhost:11434/v1", "custom_openai/llama3.1")
    assert build_registry({"groq": ProviderTable(wire="openai_chat")}).get("groq").litellm_prefix == "groq"


def test_a_new_provider_needs_two_keys_and_takes_its_models_as_they_are() -> None:
    registry = build_registry({"workshop": NEW})
    route = registry.resolve("workshop", None)

    assert (route.model, route.wire, route.base_url) == ("qwen3-32b", Wire.OPENAI_CHAT, "http://10.0.0.7:8080/v1")
    assert (route.provider.label, route.provider.models_list) == ("workshop", None)
    assert registry.resolve("workshop", "workshop/qwen3-32b").model == "qwen3-32b"
    assert registry.resolve("workshop", "team/gpt-oss-20b").model == "team/gpt-oss-20b"
    assert registry.resolve("workshop", "openai/not-listed").model == "openai/not-listed"
    assert registry.configured_ids == {"workshop"}


@pytest.mark.parametrize(
    ("wire", "base", "prefix"),
    [
        ("openai_responses", "http://10.0.0.7:8080/v1", "openai/responses"),
        ("anthropic_messages", "http://10.0.0.7:8080/v1", "anthropic"),
        ("gemini", "http://10.0.0.7:8080/v1beta", "gemini"),
        ("ollama", "http://10.0.0.7:8080", "ollama_chat"),
    ],
)
def test_a_new_provider_on_every_wire(wire: str, base: str, prefix: str) -> None:
    table = ProviderTable(api_base="http://10.0.0.7:8080/", models=["m"], wire=wire)
    route = build_registry({"workshop": table}).resolve("workshop", "m")

    assert (route.wire.value, route.base_url, model_name(route)) == (wire, base, f"{prefix}/m")


def test_a_service_without_a_version_is_given_as_its_endpoint() -> None:
    table = ProviderTable(api_base="https://llm.example.org/team/chat/completions", models=["m"])

    assert build_registry({"workshop": table}).resolve("workshop", None).base_url == "https://llm.example.org/team"


def test_a_private_name_does_not_turn_other_ids_into_mistakes() -> None:
    registry = build_registry({"qwen": NEW, "somebody": NEW})

    assert registry.resolve("groq", "qwen/qwen3.8-27b").model == "qwen/qwen3.8-27b"
    assert registry.resolve("ollama", "somebody/model").model == "somebody/model"
    with pytest.raises(InvalidModelForProvider, match="OpenAI") as caught:
        registry.resolve("openai", "somebody/model")
    assert "somebody (somebody)" in caught.value.action


def test_the_demo_can_be_changed_too() -> None:
    registry = build_registry({"demo": ProviderTable(label="Try me")}, demo_base_url="http://127.0.0.1:1")

    assert (registry.get("demo").label, registry.get("demo").models_list) == ("Try me", ListShape.OPENAI)


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("workshop", ProviderTable(models=["m"]), ["providers.workshop", "api_base missing"]),
        ("workshop", ProviderTable(api_base="http://h"), ["providers.workshop", "models missing"]),
        ("workshop", ProviderTable(), ["api_base and models missing"]),
        ("workshop", ProviderTable(api_base="http://h", models=[]), ["models missing"]),
        ("grok", ProviderTable(), ["did you mean groq?"]),
        ("Work Shop", NEW, ["is no provider id"]),
        ("work\nshop", NEW, ["providers.workshop", "is no provider id"]),
        ("", NEW, ["is no provider id"]),
        ("llmproviders.x", NEW, ["is no provider id"]),
        ("groq", ProviderTable(wire="openai-chat"), ["wire is unknown", "did you mean openai_chat?", "gemini"]),
        ("groq", ProviderTable(lane="litelm"), ["lane is unknown", "did you mean litellm?"]),
        ("groq", ProviderTable(lane="zzz"), ["lane is unknown; it is one of native, litellm"]),
        ("ollama", ProviderTable(lane="native"), ["providers.ollama", "lane", "litellm only"]),
        ("groq", ProviderTable(lane="native", wire="ollama"), ["providers.groq", "lane", "litellm only"]),
        ("workshop", ProviderTable(api_base="http://h", models=["m"], wire="gemni"), ["did you mean gemini?"]),
        ("groq", ProviderTable(api_base="https://user:planted@h/v1"), ["providers.groq", "api_base", "password"]),
        ("groq", ProviderTable(models=["pla nted"]), ["providers.groq", "models"]),
        ("groq", ProviderTable(default_model="planted?x"), ["providers.groq", "default_model"]),
        ("gemini", ProviderTable(default_model="plan/ted"), ["providers.gemini", "default_model"]),
    ],
)
def test_a_table_that_cannot_be_used_names_the_key_and_not_the_value(
    name: str, table: ProviderTable, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_registry({name: table})

    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "planted" not in str(caught.value)
    assert "\n" not in str(caught.value)
