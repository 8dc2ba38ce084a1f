"""Handoffs are found by the agent version and the model that made them, and by what they claim"""

import time

import sqlalchemy as sa
from alembic import op

from ledger.migrations import earlier_edges, no_way_back

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("agent", "version", "model"):
        op.add_column("handoff", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_index("ix_handoff_agent", "handoff", ["agent", "at"])
    op.create_index("ix_handoff_model", "handoff", ["model", "at"])
    op.create_table(
        "claim",
        sa.Column("handoff", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("attribute", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("supported", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("handoff", "position", name=op.f("pk_claim")),
    )
    op.create_index("ix_seen_name", "seen", ["name"])
    earlier_edges.add(op.get_bind())
    # What is older has no seals; whoever has no runs yet has nothing older.
    since = sa.text("INSERT INTO counter (name, value) SELECT 'sealed_since', :now WHERE EXISTS (SELECT 1 FROM run)")
    op.get_bind().execute(since, {"now": time.time_ns() // 1000})


def downgrade() -> None:
    no_way_back()
