import sqlite3
from contextlib import closing

import pytest

from app.providers.litellm_lane import LitellmLane, LoadState
from app.routers import health
from tests.routers.gateway import Gateway, assert_error


async def test_alive_and_ready_without_a_caller(gateway: Gateway) -> None:
    live = await gateway.nobody.get("/health/live")
    ready = await gateway.nobody.get("/health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "checks": dict.fromkeys(("litellm", "shutdown", "database", "migrations", "credentials"), "ok"),
        "unreadable_credentials": 0,
    }


@pytest.mark.parametrize(
    ("state", "needed", "shown"),
    [
        (LoadState.WAITING, False, "ok"),
        (LoadState.LOADING, False, "ok"),
        (LoadState.FAILED, False, "degraded"),
        (LoadState.LOADING, True, "loading"),
        (LoadState.FAILED, True, "failed"),
        (LoadState.READY, True, "ok"),
        (LoadState.READY, False, "ok"),
    ],
)
async def test_litellm_counts_where_the_operator_needs_it(
    gateway: Gateway, state: LoadState, *, needed: bool, shown: str
) -> None:
    lane = LitellmLane(gateway.services.transport)
    lane.state, lane.needed = state, needed

    assert health.litellm_status(lane) == shown


async def test_not_ready_while_stopping(gateway: Gateway) -> None:
    gateway.services.begin_shutdown()

    ready = await gateway.nobody.get("/health/ready")

    assert (ready.status_code, ready.json()["checks"]["shutdown"]) == (503, "failed")
    assert (await gateway.nobody.get("/health/live")).status_code == 200


async def test_a_probe_may_ask_for_the_head_alone(gateway: Gateway) -> None:
    live = await gateway.nobody.head("/health/live")
    ready = await gateway.nobody.head("/health/ready")
    gateway.services.begin_shutdown()
    stopping = await gateway.nobody.head("/health/ready")

    assert [(answer.status_code, answer.content) for answer in (live, ready, stopping)] == [
        (200, b""),
        (200, b""),
        (503, b""),
    ]
    assert "GET, HEAD" in (await gateway.nobody.post("/health/live")).headers["allow"]


async def test_a_key_of_a_lost_master_key_degrades(gateway: Gateway) -> None:
    await gateway.http.post("/api/integrations/api-keys/", json={"provider": "groq", "api_key": "k" * 20})
    _execute(gateway, "UPDATE credentials SET kid = 'lost'")

    ready = await gateway.nobody.get("/health/ready")

    assert (ready.status_code, ready.json()["status"], ready.json()["unreadable_credentials"]) == (200, "degraded", 1)


async def test_an_old_schema_and_a_broken_database_are_told_apart(gateway: Gateway) -> None:
    _execute(gateway, "UPDATE alembic_version SET version_num = '0001'")
    old = await gateway.nobody.get("/health/ready")
    _execute(gateway, "DROP TABLE messages")
    _execute(gateway, "DROP TABLE conversations")
    broken = await gateway.http.get("/api/chat/conversations/")

    assert (old.status_code, old.json()["checks"]["migrations"]) == (503, "failed")
    assert_error(broken, 503, "storage_unavailable")


async def test_a_process_serves_on_when_a_newer_version_has_migrated(gateway: Gateway) -> None:
    _execute(gateway, "UPDATE alembic_version SET version_num = '9999'")

    ready = await gateway.nobody.get("/health/ready")

    assert (ready.status_code, ready.json()["status"], ready.json()["checks"]["migrations"]) == (
        200,
        "degraded",
        "degraded",
    )


def _execute(gateway: Gateway, statement: str) -> None:
    with closing(sqlite3.connect(gateway.database_url.removeprefix("sqlite:///"))) as connection:
        connection.execute(statement)
        connection.commit()
