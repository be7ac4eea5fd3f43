"""The tables. Ids are made by the caller."""

from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, MetaData, String, Text, UniqueConstraint, Uuid, text
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
        Index(
            "uq_runs_active_conversation_id",
            "conversation_id",
            unique=True,
            sqlite_where=text(RUNNING),
            postgresql_where=text(RUNNING),
        ),
        Index(None, "conversation_id"),
        UniqueConstraint("message_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(String(255))
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    """The assistant's message that it writes."""
    status: Mapped[str] = mapped_column(String(20))
    provider: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(String(255))
    finish_reason: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[dict[str, Any] | None]
    usage: Mapped[dict[str, Any] | None]
    attempts: Mapped[list[Any] | None]
    ttft_ms: Mapped[int | None]
    latency_ms: Mapped[int | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Credential(Base):
    """One user's key for one provider, sealed; what a person may see of it stands beside it."""

    __tablename__ = "credentials"
    __table_args__ = (UniqueConstraint("user_id", "provider"), Index(None, "kid"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255))
    provider: Mapped[str] = mapped_column(String(100))
    origin: Mapped[str] = mapped_column(Text)
    """Scheme, host and port that the key was entered for."""
    sealed: Mapped[str] = mapped_column(Text)
    kid: Mapped[str] = mapped_column(String(64))
    mask: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class KeyCheck(Base):
    """What every process must agree on about one master key."""

    __tablename__ = "key_checks"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
