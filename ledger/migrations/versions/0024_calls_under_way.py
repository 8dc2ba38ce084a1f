"""How far calls under way have got, and how the console knew who decided"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_progress",
        sa.Column("reservation", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reservation", name=op.f("pk_call_progress")),
    )
    for table, column in (("decision", "known"), ("decision_outbox", "way"), ("feed", "known")):
        op.add_column(table, sa.Column(column, sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    no_way_back()
