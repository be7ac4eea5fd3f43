"""Everything an operator can set, read once at the start from the environment and one TOML file."""

import logging
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from app.config_file import ProviderTable, complaint, nearest, read_mcp_tables, read_provider_tables, shown
from app.errors import ConfigError
from app.mcp_table import McpTable
from app.public_settings import PublicSettings
from app.secret import SERVICE_PREFIX, Secret, api_key_complaint
from app.secret_file import read_secret
from app.service_url import service_url
from app.tool_settings import ToolSettings

PREFIX: Final = "GATEWAY_"
MIN_TOKEN_CHARS: Final = 32
_DATABASE_URL: Final = re.compile(r"sqlite(\+aiosqlite)?:///.|postgres(ql)?(\+asyncpg)?://.", re.DOTALL)
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,512}")
AUTH_METHODS: Final = ("voyage_session", "service_tokens", "static_tokens")
_KUBERNETES_LINK: Final = re.compile(r"GATEWAY_(SERVICE_|PORT_\d+_)")
_SHARED_WITH_VOYAGE: Final = frozenset(
    {"field_encryption_key", "voyage_ai_provider", "voyage_ai_model", "voyage_ai_api_key"}
)
_log: Final = logging.getLogger(__name__)


class Settings(ToolSettings, PublicSettings):
    """The operator's choices; times in seconds, sizes in bytes or characters as the names say.

    Built by `load_settings`. Constructing it directly reads nothing from outside, so a test depends on nothing else.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX)

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=0, le=65_535)
    dev: bool = False
    database_url: str = Field(default="sqlite:///gateway.db", repr=False)
    """`sqlite:///relative`, `sqlite:////absolute` or `postgresql://...`."""
    database_pool: int = Field(default=10, ge=2, le=1000)
    """Connections to PostgreSQL; one of them is kept by the writer of events."""
    valkey_url: SecretStr | None = None
    """Wakes readers on other replicas; without it they look at the database several times a second."""
    lease_seconds: float = Field(default=15.0, ge=1, le=300, allow_inf_nan=False)
    """How long a process may give no sign of life before others end its runs."""
    event_retention_hours: float = Field(default=24.0, ge=0, le=876_000, allow_inf_nan=False)
    """How long the events of a run can be read again after its end; its message stays."""
    spill_dir: Path | None = None
    """Where events wait while the database is away; by default beside the SQLite file, else with temporary files."""
    credential_keys: SecretStr | None = None
    credential_keys_file: Path | None = None
    field_encryption_key: SecretStr | None = None
    voyage_ai_provider: str | None = None
    voyage_ai_model: str | None = None
    voyage_ai_api_key: SecretStr | None = None
    check_saved_keys: bool = True
    """Whether a user's key is looked at after it was saved: a few free requests to its provider, in the background."""
    config_file: Path | None = None
    auth_methods: frozenset[Literal["voyage_session", "service_tokens", "static_tokens"]] = frozenset()
    """How callers may sign in."""
    voyage_url: str | None = None
    """Where Voyage's own server answers; without a slash at the end."""
    trusted_origins: str | None = None
    """Origins of the frontend, parted by commas."""
    session_cache_seconds: float = Field(default=30.0, gt=0, le=300, allow_inf_nan=False)
    """How long Voyage's word about a session is believed: a logout is effective after that."""
    voyage_seconds: float = Field(default=5.0, gt=0, le=60, allow_inf_nan=False)
    context_seconds: float = Field(default=2.0, gt=0, le=60, allow_inf_nan=False)
    """What an answer may wait for trip and preferences."""
    auth_tokens: SecretStr | None = None
    auth_tokens_file: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    max_body_bytes: int = Field(default=1_000_000, gt=0)
    body_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    max_message_chars: int = Field(default=100_000, gt=0)
    max_runs: int = Field(default=100, gt=0)
    max_runs_per_user: int = Field(default=20, gt=0)
    ping_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    send_timeout_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    shutdown_grace_seconds: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    max_attempts: int = Field(default=3, ge=1, le=10)
    circuit_failures: int = Field(default=10, ge=0, le=1000)
    """In a row, after which a provider is left alone for a while; 0 for never."""
    max_answer_chars: int = Field(default=2_000_000, gt=0)
    lane: Literal["native", "litellm"] | None = None
    """Who speaks to all providers; None leaves it to each."""
    max_response_bytes: int = Field(default=128_000_000, ge=100_000, le=10_000_000_000)
    """How much a provider may send for one answer, on the wire."""
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where users' own endpoints may be, besides public addresses."""
    provider_tables: Mapping[str, ProviderTable] = Field(default_factory=dict[str, ProviderTable], repr=False)
    """Read from `config_file`, never from a variable."""
    mcp_tables: Mapping[str, McpTable] = Field(default_factory=dict[str, McpTable], repr=False)
    """See before."""

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the environment to `load_settings`, which knows every name and refuses the others."""
        return (init_settings,)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("voyage_ai_api_key")
    @classmethod
    def _possible_key(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value is not None else ""
        wrong = api_key_complaint(key) if key else ""
        if wrong:
            raise ValueError(wrong.rstrip("."))
        return SecretStr(key) if key else None

    @field_validator("auth_methods", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = frozenset(name.strip() for name in value.split(",") if name.strip())
        unknown = sorted(names - set(AUTH_METHODS))
        if unknown:
            known = ", ".join(AUTH_METHODS)
            message = f"unknown method '{shown(unknown[0])}'{nearest(unknown[0], AUTH_METHODS)}; there are {known}"
            raise ValueError(message)
        return names

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(text.strip()) for text in value.split(",") if text.strip())
        except ValueError:
            message = "must be networks like 10.20.0.0/16 or fd12::/32, parted by commas, without bits after the prefix"
            raise ValueError(message) from None

    @field_validator("voyage_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return service_url(value, "http://voyage:8000") if value is not None else None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not _DATABASE_URL.match(value):
            message = "must begin with sqlite:/// or postgresql://"
            raise ValueError(message)
        return value


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:  # noqa: ANN401 - any field's type
    """Read the settings from `environ` (the process's own by default); `overrides` win, None stands for absent.

    An empty variable counts as unset. Files named by `*_FILE` variables are read here, once. Raises `ConfigError`
    that names the variable and never its value.
    """
    environ = os.environ if environ is None else environ
    _refuse_unknown(environ)
    values: dict[str, Any] = {name: environ[_variable(name)] for name in _names() if environ.get(_variable(name))}
    values |= {name: value for name, value in overrides.items() if value is not None}
    settings = _checked(values)
    read: dict[str, Any] = {
        "credential_keys": _from_file(settings, "credential_keys"),
        "auth_tokens": _from_file(settings, "auth_tokens"),
    }
    if settings.config_file is not None:
        read["provider_tables"] = read_provider_tables(settings.config_file)
        read["mcp_tables"] = read_mcp_tables(settings.config_file)
    parse_auth_tokens(read["auth_tokens"])
    return settings.model_copy(update=read)


def parse_auth_tokens(tokens: SecretStr | None) -> dict[str, Secret]:
    """Give `user:token` pairs, parted by commas or lines, as a mapping from user id to token.

    Raises `ConfigError` for an empty user, a token shorter than `MIN_TOKEN_CHARS` or taken for a service token, and
    for a user or a token that stands twice: neither could be told apart.
    """
    found: dict[str, Secret] = {}
    text = tokens.get_secret_value() if tokens is not None else ""
    entries = [entry.strip() for entry in re.split(r"[,\r\n]+", text) if entry.strip()]
    for number, entry in enumerate(entries, start=1):
        user, _, token = (part.strip() for part in entry.partition(":"))
        wrong = _token_complaint(user, token, found)
        if wrong:
            message = f"{_variable('auth_tokens')}: entry {number} {wrong}."
            raise ConfigError(message)
        found[user] = Secret(token)
    return found


def as_secret(value: SecretStr | None) -> Secret | None:
    """Turn a setting into a secret in flight; None and an empty one stay None."""
    return Secret(value.get_secret_value()) if value is not None and value.get_secret_value() else None


def _token_complaint(user: str, token: str, found: Mapping[str, Secret]) -> str:
    if not user or not user.isprintable() or len(user) > 255:  # noqa: PLR2004 - the column's width
        return "needs a user id of 1 to 255 characters before the colon"
    if len(token) < MIN_TOKEN_CHARS or not _TOKEN.fullmatch(token):
        return f"needs a token of {MIN_TOKEN_CHARS} to 512 characters, ASCII and without spaces, after the colon"
    if token.startswith(SERVICE_PREFIX):
        return f"has a token that begins with {SERVICE_PREFIX}, as service tokens alone do"
    if user in found:
        return "names a user for the second time"
    if Secret(token) in found.values():
        return "repeats the token of another user"
    return ""


def _names() -> list[str]:
    return [name for name in Settings.model_fields if name not in {"provider_tables", "mcp_tables"}]


def _variable(name: str) -> str:
    return name.upper() if name in _SHARED_WITH_VOYAGE else f"{PREFIX}{name.upper()}"


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = [_variable(name) for name in _names()]
    for name in environ:
        if not name.startswith(PREFIX) or name in known:
            continue
        if _KUBERNETES_LINK.match(name):
            message = f"{shown(name)} comes from a Kubernetes service named 'gateway': set enableServiceLinks: false."
            raise ConfigError(message)
        message = f"Unknown setting {shown(name)}{nearest(name, known, prefix=PREFIX)}."
        raise ConfigError(message)


def _checked(values: Mapping[str, Any]) -> Settings:
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as failure:
        place, text = complaint(failure)
        name = shown(str(place[0])) if place else ""
        if name in _names():
            message = f"{_variable(name)}: {text}."
        else:
            message = f"Unknown setting '{name}'{nearest(name, _names())}."
        raise ConfigError(message) from None


def _from_file(settings: Settings, name: str) -> SecretStr | None:
    """Give a secret that is set itself or as the file that has it; raises `ConfigError`."""
    given: SecretStr | None = getattr(settings, name)
    path: Path | None = getattr(settings, f"{name}_file")
    if path is None:
        return given
    variable = _variable(f"{name}_file")
    if given is not None:
        message = f"{_variable(name)} and {variable} are both set; keep one."
        raise ConfigError(message)
    return SecretStr(read_secret(path, variable))
