"""What a run was asked to do with, for whoever goes on with it after its process."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Add a column, which a process of the version before neither reads nor writes."""
    _lock()
    op.add_column("runs", sa.Column("asked", JSON, nullable=True))


def downgrade() -> None:
    """Drop it; a run that waits for its caller's tools is interrupted then."""
    _lock()
    op.drop_column("runs", "asked")


def _lock() -> None:
    """Wait for everybody in the order in which they lock: the conversation, its messages, its runs.

    Other steps of the same migration change messages, and who reads takes them before runs.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text("LOCK TABLE conversations IN EXCLUSIVE MODE"))
        op.execute(sa.text("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE"))
