"""What Voyage's tables look like, as far as the import reads them, and their rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from app.db.types import UtcDateTime

_SCHEMA: Final = MetaData()
_TIME: Final = UtcDateTime()
CONVERSATIONS: Final = Table(
    "chat_chatconversation",
    _SCHEMA,
    Column("id", Uuid),
    Column("user_id", BigInteger),
    Column("title", Text),
    Column("created_at", _TIME),
    Column("updated_at", _TIME),
)
MESSAGES: Final = Table(
    "chat_chatmessage",
    _SCHEMA,
    Column("id", Uuid),
    Column("conversation_id", Uuid),
    Column("role", Text),
    Column("content", Text),
    Column("tool_calls", JSONB),
    Column("tool_call_id", Text),
    Column("name", Text),
    Column("created_at", _TIME),
)
KEYS: Final = Table(
    "integrations_userapikey",
    _SCHEMA,
    Column("id", Uuid),
    Column("user_id", BigInteger),
    Column("provider", Text),
    Column("encrypted_api_key", Text),
    Column("created_at", _TIME),
    Column("updated_at", _TIME),
)
SETTINGS: Final = Table(
    "integrations_useraisettings",
    _SCHEMA,
    Column("id", Uuid),
    Column("user_id", BigInteger),
    Column("preferred_provider", Text),
    Column("preferred_model", Text),
    Column("created_at", _TIME),
    Column("updated_at", _TIME),
)
PROMPTS: Final = Table(
    "chat_chatsystemprompt",
    _SCHEMA,
    Column("id", BigInteger),
    Column("prompt_text", Text),
    Column("updated_at", _TIME),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyageConversation:
    """One conversation, without its messages."""

    id: UUID
    user_id: int
    title: str
    created_at: datetime
    updated_at: datetime
    messages: int
    """How many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOutline:
    """Where a message stands, without what it says; ordered by `created_at`, `rank` and `id`."""

    id: UUID
    conversation_id: UUID
    created_at: datetime
    rank: int
    """The order of a turn, for messages of the same moment."""
    size: int
    """Bytes of text and tool calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyageMessage:
    """One message; `tool_calls` is JSON as text, as it may be anything."""

    id: UUID
    role: str
    content: str
    tool_calls: str | None
    tool_call_id: str | None
    name: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyageKey:
    """One provider key, as encrypted by Voyage."""

    id: UUID
    user_id: int
    provider: str
    encrypted_api_key: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyageSettings:
    """One user's AI settings."""

    id: UUID
    user_id: int
    preferred_provider: str | None
    preferred_model: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyagePrompt:
    """The system prompt; Voyage uses the row with the id 1."""

    id: int
    prompt_text: str
    updated_at: datetime
