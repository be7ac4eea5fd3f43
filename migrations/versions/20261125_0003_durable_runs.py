"""Events of runs, who has a run in hand, idempotency keys, and branches of a conversation."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)
ACTIVE = "status IN ('queued', 'running')"


def upgrade() -> None:
    """Add what a process of the version before does not see: every new column has a default."""
    wait_for_writers()
    op.add_column("messages", sa.Column("parent_seq", sa.Integer(), nullable=True))
    op.create_index(
        "ix_messages_turning",
        "messages",
        ["conversation_id", "seq"],
        sqlite_where=sa.text("parent_seq IS NOT NULL"),
        postgresql_where=sa.text("parent_seq IS NOT NULL"),
    )
    op.add_column("runs", sa.Column("epoch", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("runs", sa.Column("owner", sa.String(64), nullable=True))
    op.add_column("runs", sa.Column("cancel_requested", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("runs", sa.Column("last_seq", sa.Integer(), nullable=True))
    op.create_index("ix_runs_finished_at", "runs", ["finished_at"])
    op.create_index(
        "ix_runs_active_owner",
        "runs",
        ["owner"],
        sqlite_where=sa.text(ACTIVE),
        postgresql_where=sa.text(ACTIVE),
    )
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_run_events"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_events_run_id_runs", ondelete="CASCADE"),
    )
    op.create_table(
        "replicas",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_replicas"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_idempotency_keys_run_id_runs", ondelete="CASCADE"),
    )
    op.create_index("ix_idempotency_keys_run_id", "idempotency_keys", ["run_id"])
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    """Drop them; messages and runs stay, those of other branches as later messages of the one conversation."""
    wait_for_writers()
    # The version before knows no runs that wait, and would leave them so.
    for table in ("runs", "messages"):
        op.execute(sa.text(f"UPDATE {table} SET status = 'interrupted' WHERE status = 'queued'"))  # noqa: S608 - names of tables
    op.drop_index("ix_messages_turning", "messages")
    op.drop_column("messages", "parent_seq")
    for table in ("idempotency_keys", "replicas", "run_events"):
        op.drop_table(table)
    op.drop_index("ix_runs_active_owner", "runs")
    op.drop_index("ix_runs_finished_at", "runs")
    for column in ("last_seq", "cancel_requested", "owner", "epoch"):
        op.drop_column("runs", column)


def wait_for_writers() -> None:
    """Let whoever is writing finish first, and nobody begin.

    All of them begin with the conversation, then take messages and runs in one order or the other; whoever reads takes
    messages before runs, as it is done here. So nobody holds what this waits for while waiting for this.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text("LOCK TABLE conversations IN EXCLUSIVE MODE"))
