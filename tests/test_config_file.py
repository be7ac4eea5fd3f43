from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.config_file import ProviderTable, read_provider_tables
from app.errors import ConfigError
from app.settings import load_settings

CANARY = "canary-7f3a9c"
FULL = """
[providers.my-vllm]
api_base = "http://10.0.0.5:8000/v1"
default_model = "llama"
label = "Our vLLM"
enabled = true
lane = "litellm"
wire = "openai_chat"
needs_api_key = false
headers = { "X-Team" = "travel" }
models = ["llama", "qwen/3"]
context_tokens = 32_768
timeouts = { connect_s = 2, first_token_s = 300.0 }

[providers.groq]
enabled = false
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def test_every_key_is_read(path: Path) -> None:
    path.write_text(FULL)

    tables = load_settings({"GATEWAY_CONFIG_FILE": str(path)}).provider_tables

    assert set(tables) == {"my-vllm", "groq"}
    assert tables["groq"] == ProviderTable(enabled=False)
    own = tables["my-vllm"]
    assert (own.api_base, own.headers, own.models) == (
        "http://10.0.0.5:8000/v1",
        {"X-Team": "travel"},
        ["llama", "qwen/3"],
    )
    assert (own.context_tokens, tables["groq"].context_tokens) == (32_768, None)
    assert (own.timeouts.connect_s, own.timeouts.first_token_s, own.timeouts.idle_s) == (2.0, 300.0, None)


def test_an_empty_file_changes_nothing(path: Path) -> None:
    path.write_text("")

    assert read_provider_tables(path) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[provider.x]\napi_base = "http://h"', "unknown table 'provider' (did you mean providers?)"),
        ("providers = 1", "must hold tables"),
        ("[providers]\nx = 1", "[providers.x]"),
        ('[providers.x]\napibase = "http://h"', "apibase (did you mean api_base?)"),
        ("[providers.x.timeouts]\nconect_s = 1", "timeouts.conect_s (did you mean connect_s?)"),
        ("[providers.x.timeouts]\nconnect_s = 0", "timeouts.connect_s"),
        ("[providers.x.timeouts]\ntotal_s = inf", "timeouts.total_s"),
        ("[providers.x.timeouts]\ntotal_s = nan", "timeouts.total_s"),
        ("[providers.x]\ncontext_tokens = 999", "context_tokens"),
        ("[providers.x]\ncontext_tokens = 8192.5", "context_tokens"),
        ("[providers.x]\nmodels = [1]", "models.0"),
        ('[providers.x]\nmodels = [""]', "models.0"),
        (f"[providers.x]\nheaders = {{ a = '{CANARY}'", "not valid TOML"),
        (f"[providers.x]\nenabled = '{CANARY}'", "enabled"),
    ],
)
def test_what_cannot_be_used_is_named(path: Path, text: str, said: str) -> None:
    path.write_text(text)

    with pytest.raises(ConfigError) as refused:
        read_provider_tables(path)

    assert said in str(refused.value)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "x"),
        ("X-API-Key", "x"),
        ("x-goog-api-key", "x"),
        ("Host", "x"),
        ("Content-Length", "1"),
        ("Cookie", "x"),
        ("X-A\r\nB", "x"),
        ("X A", "x"),
        ("", "x"),
        ("X-A", "x\r\nB: y"),
        ("X-A", "x\0"),
        ("X-A", "é"),
    ],
)
def test_headers_the_gateway_owns_or_that_break_the_wire(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="headers"):
        ProviderTable(headers={name: value})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_file_is_read_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        read_provider_tables(path)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017 - not raising is as good


def test_a_file_nested_too_deeply_is_refused(path: Path) -> None:
    path.write_text("x = " + "[" * 100_000)

    with pytest.raises(ConfigError):
        read_provider_tables(path)


def test_a_file_that_is_too_large_is_refused(path: Path) -> None:
    path.write_text("#" * 1_000_001)

    with pytest.raises(ConfigError, match="larger"):
        read_provider_tables(path)
