"""The operator's TOML file: one table `[providers.<id>]` for each provider that is added or changed."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.errors import ConfigError
from app.mcp_table import McpTable

MAX_FILE_BYTES: Final = 1_000_000
_TABLES: Final = ("providers", "mcp")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,2000}")
_OWN_HEADERS: Final = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "host", "content-length", "transfer-encoding", "cookie"}
)


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
            message = "must be plain header names and values without control characters"
            raise ValueError(message)
        if name.lower() in _OWN_HEADERS:
            message = f"must not set {name.lower()}, which the gateway sets itself"
            raise ValueError(message)
    return value


Headers = Annotated[dict[str, str], AfterValidator(_headers)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1_000, le=100_000_000)]


class Timeouts(BaseModel):
    """`[providers.<id>.timeouts]`, in seconds; None leaves the provider's own limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_s: Seconds | None = None
    first_token_s: Seconds | None = None
    idle_s: Seconds | None = None
    total_s: Seconds | None = None


class ProviderTable(BaseModel):
    """`[providers.<id>]`; None leaves what the catalogue says.

    Here is what each key alone may be; ids, base URLs, wires and models are for the registry, which knows the rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_base: str | None = None
    default_model: Name | None = None
    label: Name | None = None
    enabled: bool | None = None
    lane: Name | None = None
    wire: Name | None = None
    wires: Annotated[dict[Name, Name], Field(max_length=200)] | None = None
    """The wire of single models, or with a `*` at the end of all that begin so; nothing else decides about these."""
    needs_api_key: bool | None = None
    headers: Headers | None = None
    """Added to the row's own; values are no place for keys."""
    models: list[Name] | None = None
    """The list that is offered, instead of asking the provider."""
    context_tokens: Tokens | None = None
    """How much its models read at most."""
    timeouts: Timeouts = Timeouts()


def read_provider_tables(path: Path) -> Mapping[str, ProviderTable]:
    """Read the file; `ConfigError` names the table and the key that cannot be used, never a value."""
    document = _document(path)
    unknown = [key for key in document if key not in _TABLES]
    if unknown:
        message = f"{path.name}: unknown table '{shown(unknown[0])}'{nearest(unknown[0], _TABLES)}."
        raise ConfigError(message)
    tables = document.get("providers", {})
    if not isinstance(tables, dict):
        message = f"{path.name}: 'providers' must hold tables, one [providers.<id>] for each provider."
        raise ConfigError(message)
    return {provider: _table(path, provider, table) for provider, table in tables.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # TOML's keys are str; `_table` checks the rest


def read_mcp_tables(path: Path) -> Mapping[str, McpTable]:
    """Read the tables of MCP servers from the file; raises as `read_provider_tables`."""
    tables = _document(path).get("mcp", {})
    if not isinstance(tables, dict):
        message = f"{path.name}: 'mcp' must hold tables, one [mcp.<id>] for each server."
        raise ConfigError(message)
    found: dict[str, McpTable] = {}
    for name, table in cast("dict[str, object]", tables).items():
        if not _ID.fullmatch(name):
            message = f"{path.name}: [mcp.{shown(name)}]: an id has 1 to 40 small letters, digits, _ and -."
            raise ConfigError(message)
        try:
            found[name] = McpTable.model_validate(table)
        except ValidationError as failure:
            place, text = complaint(failure)
            key = f" {shown(str(place[0]))}{nearest(str(place[0]), McpTable.model_fields)}" if place else ""
            message = f"{path.name}: [mcp.{name}]{key}: {text}."
            raise ConfigError(message) from None
    return found


def nearest(name: str, names: Iterable[str], *, prefix: str = "") -> str:
    """Give ` (did you mean ...?)` for a mistyped name, or nothing where none is near; the prefix does not count."""
    bare = [known.removeprefix(prefix) for known in names if known.startswith(prefix)]
    found = difflib.get_close_matches(name.removeprefix(prefix), bare, n=1, cutoff=0.6)
    return f" (did you mean {prefix}{found[0]}?)" if found else ""


def shown(name: str) -> str:
    """Make a name from outside fit for one line of an error."""
    return "".join(character for character in name if character.isprintable())[:80]


def complaint(failure: ValidationError) -> tuple[tuple[int | str, ...], str]:
    """Give where the first thing is wrong and what, without the value: that may be a secret."""
    first = failure.errors(include_url=False, include_context=False, include_input=False)[0]
    return first["loc"], first["msg"].removeprefix("Value error, ")


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as failure:
        message = f"GATEWAY_CONFIG_FILE: the file cannot be read ({failure.strerror})."
        raise ConfigError(message) from None
    if len(text) > MAX_FILE_BYTES:
        message = f"GATEWAY_CONFIG_FILE: the file is larger than {MAX_FILE_BYTES} bytes."
        raise ConfigError(message)
    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        # The parser's own message quotes the line, which may hold a header's value.
        message = f"{path.name}: not valid TOML."
        raise ConfigError(message) from None


def _table(path: Path, provider: str, table: object) -> ProviderTable:
    where = f"{path.name}: [providers.{shown(provider)}]"
    try:
        return ProviderTable.model_validate(table)
    except ValidationError as failure:
        place, text = complaint(failure)
        message = f"{where}{_key(place)}: {text}."
        raise ConfigError(message) from None


def _key(place: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in place]
    if not parts:
        return ""
    nested = parts[0] == "timeouts" and parts[1:]
    name, known = (parts[1], Timeouts.model_fields) if nested else (parts[0], ProviderTable.model_fields)
    key = shown(".".join(parts))
    return f" {key}" if name in known else f" {key}{nearest(name, known)}"
