"""OpenCode Zen through the whole gateway: a family that moved is learned once, for every process, and shown."""

import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from app.providers.provider import Wire
from app.vault import generate_key
from tests.stories.gateway import Story, gateway
from tests.zen import KEY, ZEN, Zen
from tests.zen.server import error

PROVIDER = "opencode_zen"
MASTER_KEY = generate_key()
CHAT, RESPONSES = Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES


@asynccontextmanager
async def story(url: str, folder: Path, zen: Zen, *, more: str = "") -> AsyncGenerator[Story]:
    """Run a gateway whose Zen is `zen`; every one of a test has the same master key."""
    tables = f'[providers.{PROVIDER}]\napi_base = "{zen.base_url}"\n{more}'
    async with gateway(url, folder, upstream=zen.upstream, tables=tables, GATEWAY_CREDENTIAL_KEYS=MASTER_KEY) as opened:
        yield opened


async def say(opened: Story, model: str, conversation: str | None = None) -> dict[str, Any]:
    """Send one message; give the end of its run."""
    conversation = conversation or await opened.conversation()
    return (await opened.send(conversation, provider=PROVIDER, model=model)).last


async def attempts(opened: Story, end: dict[str, Any]) -> list[dict[str, Any]]:
    found = await opened.http.get(f"/api/chat/runs/{end['run_id']}/")
    return found.json()["attempts"]


async def shown_wires(opened: Story) -> dict[str, Any]:
    return (await opened.http.get(f"/api/chat/providers/{PROVIDER}/models/")).json()["wires"]


async def test_what_moved_is_learned_once_and_outlives_the_process(sqlite_url: str, tmp_path: Path) -> None:
    async with Zen() as zen:
        zen.move("grok-4.7", CHAT)
        async with story(sqlite_url, tmp_path, zen) as first:
            await first.store_key(PROVIDER, KEY)
            conversation = await first.conversation()
            ends = [await say(first, "grok-4.7", conversation) for _ in range(2)]
            noted = [await attempts(first, end) for end in ends]
            shown = await shown_wires(first)
        async with story(sqlite_url, tmp_path, zen) as after_restart:
            ends.append(await say(after_restart, "grok-4.7"))

    assert [end["status"] for end in ends] == ["completed"] * 3
    assert zen.asked == [RESPONSES, CHAT, CHAT, CHAT]
    assert [[(one["wire"], one.get("refused_wires")) for one in all_of] for all_of in noted] == [
        [("openai_chat", ["openai_responses"])],
        [("openai_chat", None)],
    ]
    assert shown["grok-4.7"] == {"wire": "openai_chat", "source": "learned"}
    assert shown["grok-4.6"] == {"wire": "openai_responses", "source": "catalog"}
    assert {model: wire["wire"] for model, wire in shown.items()} == {
        **{model: wire.value for model, wire in ZEN.items()},
        "grok-4.7": "openai_chat",
    }
    assert {call.headers["x-opencode-session"] for call in zen.calls[:3]} == {conversation}
    assert zen.calls[3].headers["x-opencode-session"] != conversation


async def test_a_second_process_on_the_database_makes_no_extra_call(postgres_url: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    async with Zen() as zen, story(postgres_url, folders[0], zen) as one:
        zen.move("kimi-k3", Wire.ANTHROPIC_MESSAGES)
        await one.store_key(PROVIDER, KEY)
        ends = [await say(one, "kimi-k3")]
        async with story(postgres_url, folders[1], zen) as two:
            ends.append(await say(two, "kimi-k3"))

    assert [end["status"] for end in ends] == ["completed"] * 2
    assert zen.asked == [CHAT, Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_MESSAGES]


async def test_a_model_that_nothing_serves_ends_with_one_error(sqlite_url: str, tmp_path: Path) -> None:
    async with Zen() as zen, story(sqlite_url, tmp_path, zen) as opened:
        zen.move("kimi-k3")
        await opened.store_key(PROVIDER, KEY)

        end = await say(opened, "kimi-k3")

        (noted,) = await attempts(opened, end)
    assert (end["status"], end["error_detail"]["code"], end["error_detail"]["upstream_code"]) == (
        "failed",
        "endpoint_mismatch",
        "ModelError",
    )
    assert len(zen.asked) == len(set(zen.asked)) == 4
    assert (noted["error"], len(noted["refused_wires"])) == ("endpoint_mismatch", 3)


async def test_the_operators_word_is_kept_and_shown(sqlite_url: str, tmp_path: Path) -> None:
    words = 'wires = { "kimi-*" = "anthropic_messages" }\n'
    async with Zen() as zen, story(sqlite_url, tmp_path, zen, more=words) as opened:
        zen.move("kimi-k3", Wire.ANTHROPIC_MESSAGES)
        await opened.store_key(PROVIDER, KEY)

        end = await say(opened, "kimi-k3")

        assert (await shown_wires(opened))["kimi-k3"] == {"wire": "anthropic_messages", "source": "operator"}
    assert (end["status"], zen.asked) == ("completed", [Wire.ANTHROPIC_MESSAGES])


async def test_an_account_without_credit_is_not_told_that_its_key_is_bad(sqlite_url: str, tmp_path: Path) -> None:
    async with Zen() as zen, story(sqlite_url, tmp_path, zen) as opened:
        await opened.store_key(PROVIDER, KEY)
        zen.refusal = error(401, "CreditsError", "Insufficient balance.")

        broke = await say(opened, "claude-haiku-4-5")

    assert broke["error"] == "The OpenCode Zen account has no credit left. Add credit at OpenCode Zen."


async def test_what_is_stored_names_models_and_nothing_else(sqlite_url: str, tmp_path: Path) -> None:
    async with Zen() as zen, story(sqlite_url, tmp_path, zen) as opened:
        zen.move("grok-4.7", CHAT)
        await opened.store_key(PROVIDER, KEY)
        await say(opened, "grok-4.7")
        origin = zen.upstream.base_url
        with closing(sqlite3.connect(opened.database_path)) as connection:
            (row,) = connection.execute("SELECT provider, origin, model, wire FROM learned_wires").fetchall()

    assert row == (PROVIDER, origin, "grok-4.7", "openai_chat")
    assert KEY not in json.dumps(row)


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-4-5", "gemini-3.8-flash", "kimi-k3"])
async def test_a_broken_gateway_is_not_asked_on_another_wire(sqlite_url: str, tmp_path: Path, model: str) -> None:
    async with Zen() as zen, story(sqlite_url, tmp_path, zen) as opened:
        await opened.store_key(PROVIDER, KEY)
        zen.refusal = error(500, "error", "Internal server error")

        end = await say(opened, model)

    assert (end["error_detail"]["code"], zen.asked) == ("provider_internal_error", [ZEN[model]])
