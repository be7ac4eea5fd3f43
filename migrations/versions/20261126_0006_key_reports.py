"""What a diagnosis found out about a stored key, and when."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Add two columns, which a process of the version before neither reads nor writes."""
    op.add_column("credentials", sa.Column("report", JSON, nullable=True))
    op.add_column("credentials", sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop them; the keys stay."""
    op.drop_column("credentials", "reported_at")
    op.drop_column("credentials", "report")
