"""A whole Voyage: everything readable arrives, once, whatever the pages are."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.db.session import Database
from app.providers.registry import build_registry
from app.voyage_import import Kind, Limits
from tests.voyage_import.generated import BAD_CALLS, Generator
from tests.voyage_import.target import (
    Dump,
    counts,
    dump,
    on_both_databases,
    opened_keys,
    run,
    told,
    vault_of,
    without_seals,
)
from tests.voyage_import.voyage import Voyage

TABLE = {
    Kind.CONVERSATIONS: "chat_chatconversation",
    Kind.MESSAGES: "chat_chatmessage",
    Kind.KEYS: "integrations_userapikey",
    Kind.SETTINGS: "integrations_useraisettings",
    Kind.PROMPT: "chat_chatsystemprompt",
}


@pytest.fixture
async def generator(voyage: Voyage) -> Generator:
    """A small Voyage with a lot of trouble in it, stored."""
    made = Generator(1, bad_share=0.1)
    made.make(users=9, messages=300, keys=40)
    await made.fill(voyage)
    return made


@on_both_databases
async def test_everything_readable_arrives_once(
    generator: Generator, voyage: Voyage, database: Database, database_url: str
) -> None:
    before, empty = await voyage.dump(), await dump(database_url)

    rehearsed = await run(voyage, database, dry_run=True)
    assert await dump(database_url) == empty

    report = await run(voyage, database)
    arrived = await dump(database_url)
    again = await run(voyage, database)

    assert rehearsed.lines() == report.lines()
    assert await voyage.dump() == before
    assert await dump(database_url) == arrived
    for kind, table in TABLE.items():
        expected, found = generator.expected.counts[kind], report.counts(kind)
        assert {name: found.get(name, 0) for name in expected} == expected
        assert sum(counts(report, kind)) == sum(counts(again, kind)) == len(before[table])
        assert counts(again, kind) == (0, counts(report, kind)[0], *counts(report, kind)[2:])
    assert told(arrived) == generator.expected.messages
    check_conversations(generator, arrived)
    check_keys(generator, voyage, arrived)
    check_settings(generator, arrived)


def check_conversations(generator: Generator, arrived: Dump) -> None:
    source = {row["id"]: row for row in generator.tables["chat_chatconversation"]}
    for row in arrived["conversations"]:
        was = source[row["id"]]
        assert row["user_id"] == str(was["user_id"])
        assert {name: row[name] for name in ("title", "created_at", "updated_at")}.items() <= was.items()
    source = {row["id"]: row for row in generator.tables["chat_chatmessage"]}
    for row in arrived["messages"]:
        was = source[row["id"]]
        kept = ("role", "content", "tool_call_id", "name", "created_at", "conversation_id")
        assert {name: row[name] for name in kept}.items() <= was.items()
        calls = json.loads(was["tool_calls"]) if was["tool_calls"] else None
        assert row["tool_calls"] == (None if calls in BAD_CALLS else calls)
        assert (row["status"], row["run_id"]) == ("complete", None)


def check_keys(generator: Generator, voyage: Voyage, arrived: Dump) -> None:
    source = {row["id"]: row for row in generator.tables["integrations_userapikey"]}
    providers, vault = build_registry({}).providers, vault_of(voyage)
    assert opened_keys(arrived, vault) == generator.expected.keys
    for row in arrived["credentials"]:
        was, key = source[row["id"]], generator.expected.keys[row["id"]]
        assert (row["user_id"], row["provider"]) == (str(was["user_id"]), was["provider"])
        assert (row["created_at"], row["updated_at"]) == (was["created_at"], was["updated_at"])
        assert row["mask"] == f"{key[:3]}********{key[-3:]}"
        assert row["kid"] == vault.current_kid
        known = providers.get(row["provider"])
        assert row["origin"] == (known.origin if known else "")


def check_settings(generator: Generator, arrived: Dump) -> None:
    def trimmed(text: str | None) -> str | None:
        return text.strip() if text else text

    rows = generator.tables["integrations_useraisettings"]
    source: list[dict[str, Any]] = [row | {"user_id": str(row["user_id"]), "fallbacks": None} for row in rows]
    for row in source:
        row |= {name: trimmed(row[name]) for name in ("preferred_provider", "preferred_model")}
    assert sorted(source, key=lambda row: row["id"]) == sorted(arrived["ai_settings"], key=lambda row: row["id"])
    prompts: list[dict[str, Any]] = [
        {"id": row["id"], "text": row["prompt_text"], "updated_at": row["updated_at"]}
        for row in generator.tables["chat_chatsystemprompt"]
    ]
    assert arrived["system_prompts"] == prompts


@on_both_databases
async def test_pages_and_pieces_make_no_difference(
    generator: Generator, voyage: Voyage, database: Database, database_url: str, sqlite_template: Path, tmp_path: Path
) -> None:
    shutil.copyfile(sqlite_template, tmp_path / "at_once.db")
    other = Database.open(f"sqlite:///{tmp_path}/at_once.db")
    at_once = await run(voyage, other)
    await other.close()

    report = await run(voyage, database, limits=Limits(rows=6, messages=17, message_bytes=9000))
    arrived = await dump(database_url)
    again = await run(voyage, database, limits=Limits(rows=9, messages=30, message_bytes=1))

    assert {kind: report.counts(kind) for kind in Kind} == {kind: at_once.counts(kind) for kind in Kind}
    assert without_seals(arrived) == without_seals(await dump(f"sqlite:///{tmp_path}/at_once.db"))
    assert opened_keys(arrived, vault_of(voyage)) == generator.expected.keys
    assert sum(counts(again, kind)[0] for kind in Kind) == 0
    assert await dump(database_url) == arrived
