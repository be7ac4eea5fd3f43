"""Gateways on one database, in the test's own process: two where the database can be shared, else one."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from app.deps import Services
from app.main import create_app
from app.runs.live import LiveRun
from app.runs.retry_budget import RetryBudget
from app.settings import Settings
from tests.routers.gateway import TOKENS, settings
from tests.runs.scripted import ScriptedClient, words
from tests.server import running
from tests.valkey_server import ValkeyServer

STORES: Final = ("sqlite", "postgres", "postgres+valkey")
END_S: Final = 60.0
"""How long a test waits for what must come."""


@dataclass(frozen=True, repr=False)
class Side:
    """One gateway; `http` is Ada's client and checks nothing by itself, as it reads parts of streams."""

    services: Services
    model: ScriptedClient
    http: httpx.AsyncClient
    bob: httpx.AsyncClient

    def live(self, run_id: str) -> LiveRun:
        run = self.services.hub.find(UUID(run_id))
        assert run is not None
        return run


@dataclass(frozen=True, repr=False)
class Sides:
    """Who has the run in hand, and who else is asked for it: the same one on SQLite."""

    writer: Side
    other: Side

    @property
    def each(self) -> tuple[Side, ...]:
        return (self.writer,) if self.writer is self.other else (self.writer, self.other)

    @classmethod
    @asynccontextmanager
    async def open(cls, store: "Store", **changes: Any) -> AsyncGenerator[Self]:
        # The model fails as often as a test wants it to, and is asked again.
        given = settings(store.url, valkey_url=store.valkey_url, circuit_failures=0, **changes)
        async with AsyncExitStack() as stack:
            writer = await stack.enter_async_context(_side(given))
            other = await stack.enter_async_context(_side(given)) if store.shared else writer
            yield cls(writer, other)


@dataclass(frozen=True, repr=False)
class Store:
    """Where gateways keep things, and what wakes them."""

    url: str
    valkey_url: SecretStr | None = None

    @property
    def shared(self) -> bool:
        return self.url.startswith("postgresql")


def store_of(name: str, request: pytest.FixtureRequest) -> Store:
    """Make one of `STORES`; for fixtures that are not async, as others of them are needed."""
    url = str(request.getfixturevalue("sqlite_url" if name == "sqlite" else "postgres_url"))
    if not name.endswith("+valkey"):
        return Store(url)
    valkey: ValkeyServer = request.getfixturevalue("valkey")
    return Store(url, SecretStr(valkey.url))


@asynccontextmanager
async def _side(given: Settings) -> AsyncGenerator[Side]:
    model = ScriptedClient(words("Lisbon is lovely"))
    app = create_app(given, client=model)
    # A connection that is idle while the other side is asked would be closed under the next request.
    async with running(app, timeout_keep_alive=600) as base_url, AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        transport = [httpx.AsyncHTTPTransport(verify=False, trust_env=False, limits=limits) for _ in TOKENS]
        ada, bob = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=base_url,
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=END_S,
                    transport=own,
                    trust_env=False,
                )
            )
            for token, own in zip(TOKENS.values(), transport, strict=True)
        ]
        services: Services = app.state.services
        object.__setattr__(services.runner, "budget", RetryBudget(reserve=1e9))
        yield Side(services, model, ada, bob)


async def new_conversation(side: Side) -> str:
    created = await side.http.post("/api/chat/conversations/", json={})
    assert created.status_code == 201, created.text
    return str(created.json()["id"])
