"""A Voyage database on a real PostgreSQL, written to as Voyage would."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from cryptography.fernet import Fernet

DDL: Final = (Path(__file__).parent / "voyage_tables.sql").read_text(encoding="utf-8")
TABLES: Final = (
    "chat_chatconversation",
    "chat_chatmessage",
    "chat_chatsystemprompt",
    "integrations_userapikey",
    "integrations_useraisettings",
    "users_customuser",
)
NOON: Final = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def call(id_: str = "c1", name: str = "get_weather", arguments: str = "{}") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


@dataclass
class Voyage:
    """Its rows; `fernet` is its FIELD_ENCRYPTION_KEY."""

    url: str
    connection: Any
    fernet_key: bytes = field(default_factory=Fernet.generate_key)

    @property
    def fernet(self) -> Fernet:
        return Fernet(self.fernet_key)

    async def execute(self, statement: str, *values: Any) -> None:
        await self.connection.execute(statement, *values)

    async def insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Store rows that all have the same columns."""
        if rows:
            columns = list(rows[0])
            records = [tuple(row[column] for column in columns) for row in rows]
            await self.connection.copy_records_to_table(table, records=records, columns=columns)

    async def user(self, id_: int, *, active: bool = True) -> int:
        values = (id_, f"user{id_}", active, uuid4())
        await self.execute(
            "INSERT INTO users_customuser (id, username, is_active, uuid) VALUES ($1, $2, $3, $4)", *values
        )
        return id_

    async def conversation(self, user_id: int, title: str = "", *, changed: float = 0, id_: UUID | None = None) -> UUID:
        row: dict[str, Any] = {
            "id": id_ or uuid4(),
            "user_id": user_id,
            "title": title,
            "created_at": NOON,
            "updated_at": at(changed),
        }
        await self.insert("chat_chatconversation", [row])
        return row["id"]

    async def message(self, conversation_id: UUID, role: str, content: str = "", **columns: Any) -> UUID:
        """Add one message and nothing else; `tool_calls` as JSON has it, `at` in minutes."""
        calls = columns.get("tool_calls")
        row: dict[str, Any] = {
            "id": columns.get("id_") or uuid4(),
            "conversation_id": conversation_id,
            "role": role,
            "content": content,
            "tool_calls": json.dumps(calls) if "tool_calls" in columns else None,
            "tool_call_id": columns.get("tool_call_id"),
            "name": columns.get("name"),
            "created_at": at(columns.get("at", 0)),
        }
        await self.insert("chat_chatmessage", [row])
        return row["id"]

    async def touch(self, conversation_id: UUID, changed: float) -> None:
        await self.execute(
            "UPDATE chat_chatconversation SET updated_at = $2 WHERE id = $1", conversation_id, at(changed)
        )

    async def key(self, user_id: int, provider: str, key: str, *, changed: float = 0, token: str | None = None) -> UUID:
        """Store a key; `token` is what stands in the column where it is not this key, encrypted."""
        row: dict[str, Any] = {
            "id": uuid4(),
            "user_id": user_id,
            "provider": provider,
            "encrypted_api_key": self.fernet.encrypt(key.encode()).decode() if token is None else token,
            "created_at": NOON,
            "updated_at": at(changed),
        }
        await self.insert("integrations_userapikey", [row])
        return row["id"]

    async def settings(self, user_id: int, provider: str | None, model: str | None, *, changed: float = 0) -> UUID:
        row: dict[str, Any] = {
            "id": uuid4(),
            "user_id": user_id,
            "preferred_provider": provider,
            "preferred_model": model,
            "created_at": NOON,
            "updated_at": at(changed),
        }
        await self.insert("integrations_useraisettings", [row])
        return row["id"]

    async def prompt(self, text: str, *, id_: int = 1, changed: float = 0) -> None:
        await self.insert("chat_chatsystemprompt", [{"id": id_, "prompt_text": text, "updated_at": at(changed)}])

    async def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Give every row of every table."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        for table in TABLES:
            rows = await self.connection.fetch(f"SELECT * FROM {table} ORDER BY id")  # noqa: S608 - our own names
            found[table] = [tuple(row.values()) for row in rows]
        return found


async def connect(url: str) -> Any:
    return await asyncpg.connect(url)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # it ships no types
