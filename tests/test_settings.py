import logging
import tempfile
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from app.config_file import ProviderTable
from app.errors import ConfigError
from app.lifespan import spill_folder
from app.main import create_app
from app.secret import Secret
from app.settings import Settings, as_secret, load_settings, parse_auth_tokens

TOKEN = "t" * 31 + "1"
OTHER = "t" * 31 + "2"
CANARY = "canary-7f3a9c"


def refused(environ: dict[str, str], **overrides: Any) -> str:
    with pytest.raises(ConfigError) as error:
        load_settings(environ, **overrides)
    shown = "".join(traceback.format_exception(error.value))
    assert CANARY not in shown
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_any_variable_the_defaults_stand() -> None:
    assert load_settings({}) == Settings()
    assert (load_settings({}).host, load_settings({}).port) == ("127.0.0.1", 8000)


def test_variables_are_read_by_their_names() -> None:
    settings = load_settings(
        {
            "GATEWAY_PORT": "9000",
            "GATEWAY_DEV": "true",
            "GATEWAY_BODY_SECONDS": "1.5",
            "GATEWAY_LOG_LEVEL": "debug",
            "FIELD_ENCRYPTION_KEY": "fek",
            "VOYAGE_AI_PROVIDER": "groq",
            "VOYAGE_AI_API_KEY": " gsk-1234 ",
            "PATH": "/bin",
        }
    )

    assert (settings.port, settings.dev, settings.body_seconds, settings.log_level) == (9000, True, 1.5, "DEBUG")
    assert settings.field_encryption_key == SecretStr("fek")
    assert (settings.voyage_ai_provider, settings.voyage_ai_api_key) == ("groq", SecretStr("gsk-1234"))


def test_what_makes_runs_durable_can_be_set() -> None:
    settings = load_settings(
        {
            "GATEWAY_DATABASE_POOL": "2",
            "GATEWAY_VALKEY_URL": f"valkey://:{CANARY}@valkey:6379/0",
            "GATEWAY_LEASE_SECONDS": "1.5",
            "GATEWAY_EVENT_RETENTION_HOURS": "0",
            "GATEWAY_SPILL_DIR": "/var/spool/gateway",
        }
    )

    assert (settings.database_pool, settings.lease_seconds, settings.event_retention_hours) == (2, 1.5, 0.0)
    assert settings.spill_dir == Path("/var/spool/gateway")
    assert as_secret(settings.valkey_url) == Secret(f"valkey://:{CANARY}@valkey:6379/0")
    assert CANARY not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    "url", [f"http://:{CANARY}@valkey", f"valkey://:{CANARY}@", f"valkey://:{CANARY}/@valkey", f"{CANARY}\n"]
)
def test_an_address_of_valkey_that_cannot_be_used_stops_by_name(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        create_app(load_settings({"GATEWAY_VALKEY_URL": url, "GATEWAY_DEV": "true"}))

    shown = "".join(traceback.format_exception(error.value))
    assert str(error.value).startswith("GATEWAY_VALKEY_URL: ")
    assert CANARY not in shown


def test_events_that_cannot_be_stored_wait_beside_the_sqlite_file_or_where_the_operator_says(tmp_path: Path) -> None:
    beside = Settings(database_url=f"sqlite:///{tmp_path}/gateway.db")
    elsewhere = Settings(database_url="postgresql://u@h/n")

    assert spill_folder(beside) == tmp_path
    assert spill_folder(elsewhere) == Path(tempfile.gettempdir())
    assert spill_folder(elsewhere.model_copy(update={"spill_dir": tmp_path})) == tmp_path
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(ConfigError, match=r"^GATEWAY_SPILL_DIR: "):
            spill_folder(beside.model_copy(update={"spill_dir": wrong}))


def test_every_setting_has_a_row_in_the_page_about_them() -> None:
    page = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
    shared = {"field_encryption_key", "voyage_ai_provider", "voyage_ai_model", "voyage_ai_api_key"}
    names = [name.upper() if name in shared else f"GATEWAY_{name.upper()}" for name in Settings.model_fields]

    assert [name for name in names if f"| `{name}` |" not in page] == ["GATEWAY_PROVIDER_TABLES", "GATEWAY_MCP_TABLES"]
    assert [name for name in ProviderTable.model_fields if f"| `{name}` |" not in page] == []


def test_the_ways_to_sign_in_are_a_list() -> None:
    settings = load_settings(
        {"GATEWAY_AUTH_METHODS": " voyage_session,service_tokens ,", "GATEWAY_VOYAGE_URL": "http://server:8000/"}
    )

    assert settings.auth_methods == {"voyage_session", "service_tokens"}
    assert settings.voyage_url == "http://server:8000"


def test_the_networks_of_users_endpoints_are_a_list() -> None:
    settings = load_settings({"GATEWAY_ALLOWED_NETWORKS": " 10.20.0.0/16,fd12::/32 , 10.1.2.3,"})

    assert [str(network) for network in settings.allowed_networks] == ["10.20.0.0/16", "fd12::/32", "10.1.2.3/32"]


@pytest.mark.parametrize("value", [CANARY, "10.20.0.1/16", "10.0.0.0/33", "10.0.0.0/8;fd00::/8", "localhost", "*"])
def test_what_is_no_network_stops_with_an_example(value: str) -> None:
    assert "10.20.0.0/16" in refused({"GATEWAY_ALLOWED_NETWORKS": value})


def test_a_mistyped_way_to_sign_in_is_told_with_the_nearest_one() -> None:
    said = refused({"GATEWAY_AUTH_METHODS": "voyage_sessions"})

    assert said.startswith("GATEWAY_AUTH_METHODS: ")
    assert "did you mean voyage_session?" in said


def test_the_processs_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "9001")

    assert load_settings().port == 9001
    assert Settings().port == 8000


def test_an_empty_variable_is_unset() -> None:
    assert load_settings({"GATEWAY_PORT": "", "FIELD_ENCRYPTION_KEY": ""}) == Settings()


def test_overrides_win_and_none_is_absent() -> None:
    assert load_settings({"GATEWAY_PORT": "9000"}, port=0).port == 0
    assert load_settings({"GATEWAY_PORT": "9000"}, port=None).port == 9000


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GATEWAY_PROT", "did you mean GATEWAY_PORT?"),
        ("GATEWAY_DATABASE_URI", "did you mean GATEWAY_DATABASE_URL?"),
        ("GATEWAY_XYZZY", "Unknown setting GATEWAY_XYZZY."),
        ("GATEWAY_PROVIDER_TABLES", "Unknown setting GATEWAY_PROVIDER_TABLES"),
        ("GATEWAY_SERVICE_HOST", "enableServiceLinks: false"),
        ("GATEWAY_PORT_8000_TCP", "enableServiceLinks: false"),
        ("GATEWAY_\nHOST", "GATEWAY_HOST"),
    ],
)
def test_an_unknown_variable_stops_with_the_nearest_name(name: str, said: str) -> None:
    assert said in refused({name: CANARY})


def test_an_unknown_override_stops() -> None:
    assert "did you mean port?" in refused({}, prot=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_PORT", f"{CANARY}"),
        ("GATEWAY_PORT", "65536"),
        ("GATEWAY_PORT", "-1"),
        ("GATEWAY_LOG_LEVEL", CANARY),
        ("GATEWAY_LOG_FORMAT", "xml"),
        ("GATEWAY_DEV", CANARY),
        ("GATEWAY_MAX_RUNS", "0"),
        ("GATEWAY_PING_SECONDS", "nan"),
        ("GATEWAY_PING_SECONDS", "inf"),
        ("GATEWAY_DATABASE_URL", f"mysql://u:{CANARY}@h/n"),
        ("GATEWAY_DATABASE_URL", f"{CANARY}.db"),
        ("GATEWAY_AUTH_TOKENS", CANARY),
        ("GATEWAY_AUTH_TOKENS", f"ann:{CANARY}"),
        ("VOYAGE_AI_API_KEY", f"{CANARY} {CANARY}"),
        ("VOYAGE_AI_API_KEY", f"{CANARY}\n{CANARY}"),
        ("VOYAGE_AI_API_KEY", f"{CANARY}é"),
        ("VOYAGE_AI_API_KEY", CANARY * 40),
        ("GATEWAY_CREDENTIAL_KEYS_FILE", f"/missing/{CANARY}"),
        ("GATEWAY_AUTH_TOKENS_FILE", "/"),
        ("GATEWAY_CONFIG_FILE", f"/missing/{CANARY}"),
        ("GATEWAY_VOYAGE_URL", f"http://user:{CANARY}@voyage"),
        ("GATEWAY_VOYAGE_URL", f"http://voyage/?{CANARY}"),
        ("GATEWAY_VOYAGE_URL", "voyage:8000"),
        ("GATEWAY_VOYAGE_URL", "http://voyage:99999"),
        ("GATEWAY_VOYAGE_URL", "http://voyage:65536/x"),
        ("GATEWAY_VOYAGE_URL", "http://[::1]:0"),
        ("GATEWAY_VOYAGE_URL", "http://[:::::]"),
        ("GATEWAY_SESSION_CACHE_SECONDS", "0"),
        ("GATEWAY_SESSION_CACHE_SECONDS", "301"),
        ("GATEWAY_DATABASE_POOL", "1"),
        ("GATEWAY_DATABASE_POOL", CANARY),
        ("GATEWAY_LEASE_SECONDS", "0.9"),
        ("GATEWAY_LEASE_SECONDS", "301"),
        ("GATEWAY_EVENT_RETENTION_HOURS", "-1"),
        ("GATEWAY_EVENT_RETENTION_HOURS", "1e12"),
    ],
)
def test_a_bad_value_stops_with_the_variable_and_not_the_value(name: str, value: str) -> None:
    assert refused({name: value}).startswith(name)


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_as_any_number_is_a_config_error_or_a_number(text: str) -> None:
    for name in ("GATEWAY_PORT", "GATEWAY_BODY_SECONDS", "GATEWAY_DEV"):
        try:
            load_settings({name: text})
        except ConfigError as error:
            assert str(error).startswith(name)  # noqa: PT017 - not raising is as good


def test_secrets_are_hidden_in_every_text() -> None:
    settings = load_settings(
        {
            "GATEWAY_CREDENTIAL_KEYS": CANARY,
            "FIELD_ENCRYPTION_KEY": CANARY,
            "VOYAGE_AI_API_KEY": CANARY,
            "GATEWAY_AUTH_TOKENS": f"ann:{CANARY}{TOKEN}",
            "GATEWAY_DATABASE_URL": f"postgresql://u:{CANARY}@h/n",
            "GATEWAY_VALKEY_URL": f"valkey://:{CANARY}@h",
        }
    )

    assert CANARY not in repr(settings) + str(settings)


# --- secrets from files


def test_a_secret_is_read_from_its_file_once_and_stripped(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("  k1:abc\n\n")
    path.chmod(0o400)

    settings = load_settings({"GATEWAY_CREDENTIAL_KEYS_FILE": str(path)})
    path.unlink()

    assert settings.credential_keys == SecretStr("k1:abc")


def test_a_file_that_everybody_can_read_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys"
    path.write_text(CANARY)
    for mode, warned in ((0o600, False), (0o644, True)):
        caplog.clear()
        path.chmod(mode)
        with caplog.at_level(logging.WARNING):
            load_settings({"GATEWAY_CREDENTIAL_KEYS_FILE": str(path)})

        assert ("GATEWAY_CREDENTIAL_KEYS_FILE" in caplog.text) is warned
        assert CANARY not in caplog.text


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * 100_001])
def test_a_file_without_a_usable_secret_stops(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)

    assert refused({"GATEWAY_CREDENTIAL_KEYS_FILE": str(path)}).startswith("GATEWAY_CREDENTIAL_KEYS_FILE")


def test_a_secret_and_its_file_are_not_both_given(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("x")

    said = refused({"GATEWAY_CREDENTIAL_KEYS": CANARY, "GATEWAY_CREDENTIAL_KEYS_FILE": str(path)})
    assert "keep one" in said


# --- tokens


def test_tokens_become_a_mapping() -> None:
    found = parse_auth_tokens(SecretStr(f"ann:{TOKEN}, bob : {OTHER}\n# :{'y' * 32}"))

    assert {user: token.reveal() for user, token in found.items()} == {"ann": TOKEN, "bob": OTHER, "#": "y" * 32}
    assert parse_auth_tokens(None) == {}


def test_a_token_may_hold_a_colon() -> None:
    assert parse_auth_tokens(SecretStr(f"ann:a:{TOKEN}"))["ann"].reveal() == f"a:{TOKEN}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f":{TOKEN}", "entry 1 needs a user id"),
        ("ann", "entry 1 needs a token"),
        ("ann:" + "x" * 31, "entry 1 needs a token of 32"),
        (f"ann:{TOKEN} {TOKEN}", "without spaces"),
        (f"ann:{TOKEN}é", "ASCII"),
        (f"ann:{TOKEN},ann:{OTHER}", "entry 2 names a user for the second time"),
        (f"ann:{TOKEN},bob:{TOKEN}", "entry 2 repeats the token"),
        (f"{'u' * 256}:{TOKEN}", "1 to 255"),
        (f"bob:{OTHER},ann:vgw_{TOKEN}", "entry 2 has a token that begins with vgw_"),
    ],
)
def test_tokens_that_cannot_be_told_apart_or_guessed_stop(text: str, said: str) -> None:
    assert said in refused({"GATEWAY_AUTH_TOKENS": text})
    assert TOKEN not in refused({"GATEWAY_AUTH_TOKENS": text})


def test_an_empty_setting_is_no_secret() -> None:
    assert as_secret(None) is None
    assert as_secret(SecretStr("")) is None
    found = as_secret(SecretStr("x"))
    assert found is not None
    assert found.reveal() == "x"
