"""The whole application on a real port, with two people and a scripted model."""

import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from app.config_file import ProviderTable
from app.deps import Services
from app.main import create_app
from app.settings import Settings
from app.vault import generate_key
from tests.runs.scripted import ScriptedClient, Step, words
from tests.server import running
from tests.stream_check import checked_client
from tests.voyage_reader import VoyageReader, read_cut

TOKENS = {"ada": "token-of-ada-" + "a" * 32, "bob": "token-of-bob-" + "b" * 32}
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
API_KEY = "sk-test-0123456789abcdefghij"


@dataclass(frozen=True)
class Gateway:
    """`http` is Ada's client; nobody's has no token."""

    services: Services
    model: ScriptedClient
    http: httpx.AsyncClient
    bob: httpx.AsyncClient
    nobody: httpx.AsyncClient
    database_url: str

    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        tables = ("conversations", "messages", "runs", "credentials", "ai_settings")
        with closing(sqlite3.connect(self.database_url.removeprefix("sqlite:///"))) as connection:
            return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}  # noqa: S608 - the names stand above

    async def new_conversation(self) -> str:
        response = await self.http.post("/api/chat/conversations/", json={})
        assert response.status_code == 201
        return response.json()["id"]

    async def send(self, conversation_id: str, message: str = "Where to?", **fields: Any) -> httpx.Response:
        return await self.http.post(
            f"/api/chat/conversations/{conversation_id}/send_message/", json={"message": message, **fields}
        )

    async def tell(self, conversation_id: str, message: str = "Where to?", **fields: Any) -> VoyageReader:
        """Send a message and read the whole answer as the Voyage chat does."""
        response = await self.send(conversation_id, message, **fields)
        assert response.status_code == 200, response.text
        return read_cut(response.content, 7)


def settings(database_url: str, **changes: Any) -> Settings:
    """A production-like configuration with one keyless provider, `local`, which is everybody's default."""
    given: dict[str, Any] = {
        "database_url": database_url,
        "credential_keys": SecretStr(generate_key()),
        "auth_methods": "static_tokens",
        "auth_tokens": SecretStr(",".join(f"{user}:{token}" for user, token in TOKENS.items())),
        "voyage_ai_provider": "local",
        "provider_tables": {
            "local": ProviderTable(
                api_base="http://127.0.0.1:9/v1", models=["local-1", "local-2"], needs_api_key=False, label="Local"
            )
        },
        "shutdown_grace_seconds": 0.1,
        "check_saved_keys": False,  # most tests save keys of real providers
    }
    return Settings(**given | changes)


@asynccontextmanager
async def open_gateway(database_url: str, *scripts: Iterable[Step], **changes: Any) -> AsyncGenerator[Gateway]:
    model = ScriptedClient(*(scripts or (words("Lisbon is lovely"),)))
    app = create_app(settings(database_url, **changes), client=model)
    async with running(app) as base_url:
        clients = [
            checked_client(base_url, headers)
            for headers in (*({"Authorization": f"Bearer {token}"} for token in TOKENS.values()), {})
        ]
        ada, bob, nobody = clients
        try:
            yield Gateway(app.state.services, model, ada, bob, nobody, database_url)
        finally:
            for client in clients:
                await client.aclose()


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the one form that every error has, and give it."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
    body: dict[str, Any] = response.json()
    detail = body["error_detail"]
    assert body["error"]
    assert body["error"] == body["detail"]
    assert body["error_category"] == detail["code"] == code
    assert detail["http_status"] == status
    assert detail["request_id"] == response.headers["x-request-id"]
    return body
