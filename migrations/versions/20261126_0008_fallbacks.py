"""Where a user's messages go when their provider fails."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Add a column, which a process of the version before neither reads nor writes."""
    op.add_column("ai_settings", sa.Column("fallbacks", JSON, nullable=True))


def downgrade() -> None:
    """Drop it; nothing falls back then."""
    op.drop_column("ai_settings", "fallbacks")
