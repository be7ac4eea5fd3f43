"""The whole schema as the migrations leave it: the tables, and the indexes that only a migration has to know.

A partial index names its condition for each database, and SQLAlchemy loads the dialect of each to check the name.
"""

from typing import Final

from sqlalchemy import Index, MetaData, text

from app.db.models import ACTIVE, RUNNING, Base, Message, Run

_TURNING: Final = text("parent_seq IS NOT NULL")
_RUNNING: Final = text(RUNNING)
_ACTIVE: Final = text(ACTIVE)

Index(
    "ix_messages_turning",
    Message.conversation_id,
    Message.seq,
    sqlite_where=_TURNING,
    postgresql_where=_TURNING,
)
Index(
    "uq_runs_active_conversation_id",
    Run.conversation_id,
    unique=True,
    sqlite_where=_RUNNING,
    postgresql_where=_RUNNING,
)
Index("ix_runs_active_owner", Run.owner, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE)

SCHEMA: Final[MetaData] = Base.metadata
"""With the indexes above."""
