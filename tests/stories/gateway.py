"""The whole gateway on a loopback port, with the scripted upstream behind each of its wires."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.main import create_app
from app.providers.provider import Wire
from app.settings import load_settings
from app.tools.tool import ToolSource
from app.vault import generate_key
from tests.server import running
from tests.stream_check import checked_client
from tests.upstream import Upstream
from tests.voyage_reader import VoyageReader, read_cut

TOKEN = "a-token-of-alice-that-is-long-enough-0001"
KEY = "Plant/ed+9f8e=7d6c!5b4a"
"""Looks like no key, so that only the exact value can be found and taken out."""


@dataclass(slots=True)
class Story:
    """One caller's view of the gateway."""

    http: httpx.AsyncClient
    upstream: Upstream
    database_path: Path

    async def conversation(self) -> str:
        created = await self.http.post("/api/chat/conversations/", json={})
        assert created.status_code == 201, created.text
        return str(created.json()["id"])

    async def store_key(self, provider: str, key: str = KEY) -> None:
        stored = await self.http.post("/api/integrations/api-keys/", json={"provider": provider, "api_key": key})
        assert stored.status_code == 201, stored.text

    async def send(self, conversation: str, **body: Any) -> "Stream":
        body = {"message": "Where to?", "model": "test-model", **body}
        path = f"/api/chat/conversations/{conversation}/send_message/"
        async with self.http.stream("POST", path, json=body) as response:
            chunks = [chunk async for chunk in response.aiter_raw()]
        return Stream(response, b"".join(chunks))

    async def messages(self, conversation: str) -> list[dict[str, Any]]:
        found = await self.http.get(f"/api/chat/conversations/{conversation}/")
        assert found.status_code == 200, found.text
        messages: list[dict[str, Any]] = found.json()["messages"]
        return messages


@dataclass(frozen=True, slots=True)
class Stream:
    """A whole stream as it came."""

    response: httpx.Response
    raw: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = self.raw.decode().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    @property
    def text(self) -> str:
        return "".join(event.get("content", "") for event in self.events)

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]

    @property
    def shown(self) -> VoyageReader:
        """What the Voyage chat shows, reading a byte at a time."""
        return read_cut(self.raw, 1)

    @property
    def calls(self) -> list[dict[str, str]]:
        """The tool calls put together by index."""
        made: dict[int, dict[str, str]] = {}
        for event in self.events:
            for piece in event.get("tool_calls", ()):
                call = made.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
                call["id"] += piece["id"] or ""
                call["name"] += piece["function"]["name"]
                call["arguments"] += piece["function"]["arguments"]
        return [made[index] for index in sorted(made)]


def provider_tables(upstream: Upstream, *, idle_s: float = 30.0) -> str:
    """Give a TOML file with one provider per wire, named after it."""
    return "\n".join(
        f'[providers.{wire.value}]\nlabel = "Test {wire.value}"\nwire = "{wire.value}"\n'
        f'api_base = "{upstream.base_url}"\nmodels = ["test-model"]\n'
        f"timeouts = {{ first_token_s = {idle_s}, idle_s = {idle_s} }}\n"
        for wire in Wire
    )


@asynccontextmanager
async def gateway(
    sqlite_url: str,
    folder: Path,
    *,
    idle_s: float = 30.0,
    upstream: Upstream | None = None,
    tables: str = "",
    tools: Sequence[ToolSource] = (),
    **overrides: Any,
) -> AsyncGenerator[Story]:
    """Run it; the caller is signed in with a token. A given `upstream` stays its owner's.

    `tables` are TOML of further providers; `{upstream}` in it is the upstream's address.
    """
    async with nullcontext(upstream) if upstream else Upstream() as behind:
        config = folder / "gateway.toml"
        more = tables.replace("{upstream}", behind.base_url)
        config.write_text(f"{provider_tables(behind, idle_s=idle_s)}\n{more}", encoding="utf-8")
        environ = {
            "GATEWAY_DATABASE_URL": sqlite_url,
            "GATEWAY_CREDENTIAL_KEYS": generate_key(),
            "GATEWAY_AUTH_METHODS": "static_tokens",
            "GATEWAY_AUTH_TOKENS": f"alice:{TOKEN}",
            "GATEWAY_CONFIG_FILE": str(config),
            "GATEWAY_MAX_ATTEMPTS": "1",
            "GATEWAY_CHECK_SAVED_KEYS": "false",
            **overrides,
        }
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            running(create_app(await asyncio.to_thread(load_settings, environ), tools=tools)) as base_url,
            checked_client(base_url, headers, timeout=30) as http,
        ):
            await _ready(http)
            yield Story(http, behind, Path(sqlite_url.partition("///")[2]))


async def _ready(http: httpx.AsyncClient) -> None:
    """Wait until litellm is loaded, so that its seconds do not count against a test's short deadlines."""
    async with asyncio.timeout(60):
        while (await http.get("/health/ready")).status_code != 200:  # noqa: ASYNC110 - asked as an operator does
            await asyncio.sleep(0.02)
