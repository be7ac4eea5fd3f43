"""A base URL of the user's own beside their key."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add a column that a process of the version before neither reads nor writes."""
    op.add_column("credentials", sa.Column("api_base", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it; the keys stay, of no use before their address is entered again."""
    op.drop_column("credentials", "api_base")
