"""However a base URL was pasted, it has one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigError
from app.providers import base_url
from app.providers.base_url import canonical, is_whole_endpoint, list_endpoint
from app.providers.catalog import CATALOG
from app.providers.provider import ListShape, Provider, Wire

WIRES = list(Wire)
VERSIONED = [wire for wire in Wire if wire is not Wire.OLLAMA]
ENDPOINTS = ["", "/chat/completions", "/messages", "/responses", "/models"]
PREFIXES = ["", "/openai", "/inference", "/api", "/zen", "/a/b-c"]

hosts = st.sampled_from(["llm.example.org", "LLM.Example.org", "127.0.0.1:9000", "[::1]:8080", "localhost"])
slashes = st.sampled_from(["", "/", "//"])


@given(
    scheme=st.sampled_from(["https", "http", "HTTPS"]),
    host=hosts,
    prefix=st.sampled_from(PREFIXES),
    repeated=st.integers(0, 3),
    pasted=st.sampled_from(ENDPOINTS),
    slash=slashes,
    wire=st.sampled_from(VERSIONED),
    version=st.sampled_from(["v1", "v4", "v1beta"]),
)
def test_every_way_to_paste_a_base_url_gives_one_form(
    scheme: str, host: str, prefix: str, repeated: int, pasted: str, slash: str, wire: Wire, version: str
) -> None:
    base = f"{scheme}://{host}{prefix}{f'/{version}' * repeated}{pasted}{slash}"

    assert canonical(base, wire=wire, version=version) == f"{scheme.lower()}://{host.lower()}{prefix}/{version}"


@given(
    path=st.lists(
        st.sampled_from(
            ["v1", "v1beta", "v2beta", "api", "chat", "completions", "messages", "models", "openai", "x:y"]
        ),
        max_size=7,
    ),
    wire=st.sampled_from(WIRES),
    version=st.sampled_from(["v1", "v1beta", "v4", ""]),
    slash=slashes,
)
def test_the_canonical_form_is_its_own_canonical_form(path: list[str], wire: Wire, version: str, slash: str) -> None:
    once = canonical("/".join(["https://llm.example.org", *path]) + slash, wire=wire, version=version)

    assert canonical(once, wire=wire, version=version) == once
    assert not once.endswith("/")
    assert "//" not in once.removeprefix("https://")


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/api", "/api/chat", "/api/tags", "/v1/chat/completions"])
def test_ollama_is_called_at_its_root(suffix: str) -> None:
    assert canonical(f"http://gpu:11434{suffix}", wire=Wire.OLLAMA, version="") == "http://gpu:11434"
    assert canonical(f"http://gpu/ollama{suffix}", wire=Wire.OLLAMA, version="") == "http://gpu/ollama"


@pytest.mark.parametrize("version", ["v4", "v1beta", "v2beta", "v1alpha1"])
def test_another_version_at_the_end_stays(version: str) -> None:
    base = f"https://api.example.org/api/paas/{version}"

    assert canonical(f"{base}/", wire=Wire.OPENAI_CHAT, version="v1") == base


@pytest.mark.parametrize("base", ["https://api.deepinfra.com/v1/openai", "https://gateway.example.org/v1/team/groq"])
def test_a_version_in_front_of_the_last_part_is_version_enough(base: str) -> None:
    assert canonical(base, wire=Wire.OPENAI_CHAT, version="v1") == base


def test_a_service_without_a_version_gets_none() -> None:
    for base in ("https://api.perplexity.ai", "https://api.perplexity.ai/chat/completions"):
        assert canonical(base, wire=Wire.OPENAI_CHAT, version="") == "https://api.perplexity.ai"


def test_a_pasted_gemini_call_is_cut_before_models() -> None:
    pasted = "https://host/v1beta/models/gemini-3.5-flash-lite:streamGenerateContent"

    assert canonical(pasted, wire=Wire.GEMINI, version="v1beta") == "https://host/v1beta"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://api.example.org:443", "https://api.example.org/v1"),
        ("http://api.example.org:80/v1", "http://api.example.org/v1"),
        ("https://api.example.org:80", "https://api.example.org:80/v1"),
        ("  https://api.example.org  ", "https://api.example.org/v1"),
        ("https://bücher.example", "https://xn--bcher-kva.example/v1"),
        ("http://[::0001]/v1", "http://[::1]/v1"),
        ("http://llm_box/v1", "http://llm_box/v1"),
    ],
)
def test_one_host_is_written_one_way(base: str, expected: str) -> None:
    """A stored key is bound to scheme, host and port, so these must not differ by spelling."""
    assert canonical(base, wire=Wire.OPENAI_CHAT, version="v1") == expected


@pytest.mark.parametrize(
    "base",
    [
        "",
        "api.example.org/v1",
        "ftp://api.example.org",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://user:planted-secret@api.example.org",
        "https://@api.example.org",
        "https://api.example.org/v1?key=planted-secret",
        "https://api.example.org/v1?",
        "https://api.example.org/v1#planted-secret",
        "https://api.example.org/../planted-secret",
        "https://api.example.org/./v1",
        "https://api.example.org/%2e%2e/v1",
        "https://api.example.org\\planted-secret",
        "https://api.example.org/v 1",
        "https://api.example.org/v1\nHost: planted-secret",
        "https://api.example.org:0/v1",
        "https://api.example.org:99999/v1",
        "https://api.example.org:abc/v1",
        "https://[::1/v1",
        "https://[planted]/v1",
        "https://a..example.org/v1",
        "https://api.example.org/ü",
        "https://" + "a" * 70 + ".org",
        "https://api.example.org/" + "a" * 2048,
    ],
)
def test_what_is_no_plain_url_is_refused_without_being_shown(base: str) -> None:
    with pytest.raises(ConfigError) as caught:
        canonical(base, wire=Wire.OPENAI_CHAT, version="v1")

    assert "api_base" in str(caught.value)
    assert "planted" not in str(caught.value)


@given(base=st.text(max_size=60))
def test_no_text_at_all_breaks_it(base: str) -> None:
    for text in (base, f"https://{base}", f"https://host/{base}"):
        try:
            found = canonical(text, wire=Wire.OPENAI_CHAT, version="v1")
        except ConfigError:
            continue
        assert found.startswith(("http://", "https://"))
        assert found.isascii()


def test_a_whole_endpoint_without_a_version_is_recognised() -> None:
    assert is_whole_endpoint("https://llm.example.org/chat/completions", wire=Wire.OPENAI_CHAT)
    assert not is_whole_endpoint("https://llm.example.org/v1/chat/completions", wire=Wire.OPENAI_CHAT)
    assert not is_whole_endpoint("https://llm.example.org", wire=Wire.OPENAI_CHAT)


def test_default_versions_by_wire() -> None:
    assert [base_url.default_version(wire) for wire in (Wire.OPENAI_CHAT, Wire.GEMINI, Wire.OLLAMA)] == [
        "v1",
        "v1beta",
        "",
    ]


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.id)
def test_the_list_of_every_row_is_asked_for_below_its_base(row: Provider) -> None:
    tail = "/api/tags" if row.models_list is ListShape.OLLAMA else "/models"

    assert list_endpoint(row.api_base, row.models_list or ListShape.OPENAI) == f"{row.api_base}{tail}"
