"""The tables. Ids are made by the caller. Their partial indexes are in `app.db.schema`."""

from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, MetaData, String, Text, UniqueConstraint, Uuid, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.db.types import PortableJson, UtcDateTime
from app.events import RunStatus

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
RUNNING: Final = f"status = '{RunStatus.RUNNING.value}'"
"""What the index of active runs is limited to; an insert that means this index names it by the same words."""
ACTIVE: Final = f"status IN ('{RunStatus.QUEUED.value}', '{RunStatus.RUNNING.value}')"


class Base(DeclarativeBase):
    """The tables' common metadata."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Uuid(),
        datetime: UtcDateTime(),
        dict[str, Any]: PortableJson,
        list[Any]: PortableJson,
    }


class Conversation(Base):
    """One user's conversation; `next_seq` numbers its messages."""

    __tablename__ = "conversations"
    __table_args__ = (Index(None, "user_id", "updated_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255))
    title: Mapped[str] = mapped_column(String(255))
    next_seq: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Message(Base):
    """One message; an assistant's is written when its run begins and filled when it ends."""

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("conversation_id", "seq"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    seq: Mapped[int]
    parent_seq: Mapped[int | None]
    """The message it follows: None for the one before it by `seq`, 0 for none. See `app.db.branch`."""
    run_id: Mapped[UUID | None]
    """The run it belongs to. No foreign key: `Run.message_id` is the constrained direction of this pair."""
    role: Mapped[str] = mapped_column(String(20))
    content: Mapped[str] = mapped_column(Text)
    tool_calls: Mapped[list[Any] | None]
    tool_call_id: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20))
    """`complete` for what a user sent, else the status of the run."""
    finish_reason: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[dict[str, Any] | None]
    usage: Mapped[dict[str, Any] | None]
    provider: Mapped[str | None] = mapped_column(String(100))
    model: Mapped[str | None] = mapped_column(String(255))
    ttft_ms: Mapped[int | None]
    latency_ms: Mapped[int | None]
    created_at: Mapped[datetime]


class Run(Base):
    """One user message and everything until the assistant is done; at most one is running in a conversation."""

    __tablename__ = "runs"
    __table_args__ = (
        Index(None, "conversation_id"),
        Index(None, "finished_at"),
        UniqueConstraint("message_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(String(255))
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    """The assistant's message that it writes."""
    status: Mapped[str] = mapped_column(String(20))
    epoch: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """How often the run has been taken into hand; only who holds the newest one may write its events."""
    owner: Mapped[str | None] = mapped_column(String(64))
    """The process that has it in hand; None from a version that knew no owners."""
    cancel_requested: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_seq: Mapped[int | None]
    """Number of its terminal event, which outlives the events themselves."""
    provider: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(String(255))
    finish_reason: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[dict[str, Any] | None]
    usage: Mapped[dict[str, Any] | None]
    attempts: Mapped[list[Any] | None]
    asked: Mapped[dict[str, Any] | None]
    """What another process needs to go on with it, where it may have to wait for its caller's tools."""
    ttft_ms: Mapped[int | None]
    latency_ms: Mapped[int | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class RunEvent(Base):
    """One event of a run, exactly as it is shown; or a page of them: see `app.db.event_pages`."""

    __tablename__ = "run_events"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(40))
    data: Mapped[str] = mapped_column(Text)
    """One line of JSON."""


class EventJournal(Base):
    """The newest events of all runs on SQLite, those of one transaction in a row: see `app.db.sqlite_events`."""

    __tablename__ = "event_journal"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lines: Mapped[bytes]
    """One event a line, its run's id before it."""


class Replica(Base):
    """One living process; while `beat` grows, the runs it owns are in hand."""

    __tablename__ = "replicas"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    beat: Mapped[int] = mapped_column(BigInteger)
    """Compared with itself only, so that no clock of any machine matters."""


class IdempotencyKey(Base):
    """What a caller called a message, so that sending it again finds the same run."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Of everything that was asked for."""
    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)


class Credential(Base):
    """One user's key for one provider, sealed; what a person may see of it stands beside it."""

    __tablename__ = "credentials"
    __table_args__ = (UniqueConstraint("user_id", "provider"), Index(None, "kid"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255))
    provider: Mapped[str] = mapped_column(String(100))
    origin: Mapped[str] = mapped_column(Text)
    """Scheme, host and port that the key was entered for."""
    api_base: Mapped[str | None] = mapped_column(Text)
    """The user's own base URL, for a provider that has none itself."""
    sealed: Mapped[str] = mapped_column(Text)
    kid: Mapped[str] = mapped_column(String(64))
    mask: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    report: Mapped[dict[str, Any] | None]
    """What a diagnosis found out about this key; None where there was none since it was saved."""
    reported_at: Mapped[datetime | None]


class KeyCheck(Base):
    """What every process must agree on about one master key."""

    __tablename__ = "key_checks"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class AiSettings(Base):
    """What one user prefers to talk to."""

    __tablename__ = "ai_settings"
    __table_args__ = (UniqueConstraint("user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255))
    preferred_provider: Mapped[str | None] = mapped_column(String(100))
    preferred_model: Mapped[str | None] = mapped_column(String(255))
    fallbacks: Mapped[list[Any] | None]
    """Where messages go when that fails, in order: objects of `provider` and `model`."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SystemPrompt(Base):
    """The operator's words to the model, in place of the built-in ones; at most one row."""

    __tablename__ = "system_prompts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime]


class ServiceToken(Base):
    """A token of another service; what is kept of it cannot be sent."""

    __tablename__ = "service_tokens"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    """The readable part of the token."""
    name: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[str] = mapped_column(String(255))
    """Whose rows it sees by itself."""
    digest: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ImportMark(Base):
    """A row of Voyage that the import has taken over, in the version it had then."""

    __tablename__ = "import_marks"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    source_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[datetime]
    """Its `updated_at` in Voyage."""


class LearnedWire(Base):
    """The wire that a gateway has answered on for a model, where its table says another."""

    __tablename__ = "learned_wires"

    provider: Mapped[str] = mapped_column(String(100), primary_key=True)
    origin: Mapped[str] = mapped_column(String(300), primary_key=True)
    """Scheme, host and port: another address is another gateway."""
    model: Mapped[str] = mapped_column(String(255), primary_key=True)
    wire: Mapped[str] = mapped_column(String(40))
    learned_at: Mapped[datetime]
