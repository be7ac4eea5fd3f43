"""Wires that models have answered on where the table says otherwise."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add a table; a process of the version before does not look at it."""
    op.create_table(
        "learned_wires",
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("origin", sa.String(300), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("wire", sa.String(40), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "origin", "model", name="pk_learned_wires"),
    )


def downgrade() -> None:
    """Drop it; what was learned is learned again."""
    op.drop_table("learned_wires")
