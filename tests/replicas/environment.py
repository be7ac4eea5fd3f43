"""What an operator sets for the replicas of one database: the same for all of them, and for every restart."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from app.vault import generate_key

PROVIDER: Final = "scripted"
MODEL: Final = "test-model"
TOKENS: Final[Mapping[str, str]] = MappingProxyType(
    {user: f"a-token-of-{user}-that-is-long-enough-0001" for user in ("alice", "bob")}
)


def environment(database_url: str, upstream_url: str, folder: Path, **overrides: str) -> dict[str, str]:
    """Give the settings; writes the file with the provider into `folder`. `overrides` are whole variables."""
    config = folder / "replicas.toml"
    config.write_text(
        f'[providers.{PROVIDER}]\nlabel = "Scripted"\nwire = "openai_chat"\napi_base = "{upstream_url}"\n'
        f'models = ["{MODEL}"]\nneeds_api_key = false\n',
        encoding="utf-8",
    )
    return {
        "GATEWAY_DATABASE_URL": database_url,
        "GATEWAY_CREDENTIAL_KEYS": generate_key(),
        "GATEWAY_AUTH_METHODS": "static_tokens",
        "GATEWAY_AUTH_TOKENS": ",".join(f"{user}:{token}" for user, token in TOKENS.items()),
        "GATEWAY_CONFIG_FILE": str(config),
        "GATEWAY_MAX_ATTEMPTS": "1",
        "GATEWAY_CIRCUIT_FAILURES": "0",  # the upstream fails as often as a test wants it to
        "GATEWAY_MAX_RUNS": "1000",
        "GATEWAY_MAX_RUNS_PER_USER": "1000",
        **overrides,
    }
