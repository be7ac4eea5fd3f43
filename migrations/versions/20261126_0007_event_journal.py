"""The journal of events on SQLite, and pages of many events in one row."""

from collections.abc import Sequence

import orjson
import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

HEX = 32
INSERT = sa.text(
    "INSERT INTO run_events (run_id, seq, type, data) VALUES (:run_id, :seq, :type, :data) ON CONFLICT DO NOTHING"
)


def upgrade() -> None:
    """Add a table that a process of the version before does not see."""
    op.create_table(
        "event_journal",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_journal"),
    )


def downgrade() -> None:
    """Write each event as a row of its own again; the version before knows neither the journal nor pages."""
    connection = op.get_bind()
    for (lines,) in connection.execute(sa.text("SELECT lines FROM event_journal ORDER BY id")).all():
        for line in lines.split(b"\n"):
            _keep(connection, line[:HEX].decode(), line[HEX:].decode())
    for run_id, seq, data in connection.execute(
        sa.text("SELECT run_id, seq, data FROM run_events WHERE type = 'page'")
    ).all():
        connection.execute(
            sa.text("DELETE FROM run_events WHERE run_id = :run_id AND seq = :seq"), {"run_id": run_id, "seq": seq}
        )
        for line in data.split("\n"):
            _keep(connection, run_id, line)
    op.drop_table("event_journal")


def _keep(connection: sa.Connection, run_id: str, line: str) -> None:
    event = orjson.loads(line)
    there = connection.execute(sa.text("SELECT 1 FROM runs WHERE id = :run_id"), {"run_id": run_id}).first()
    if there is not None:
        values = {"run_id": run_id, "seq": event["seq"], "type": event["type"], "data": line}
        connection.execute(INSERT, values)
