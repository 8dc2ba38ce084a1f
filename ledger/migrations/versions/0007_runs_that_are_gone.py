"""Runs that Temporal ended without us are closed, in the namespace that had them; one worker at a time looks after that"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("namespace", "gone"):
        op.add_column("run", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    for name, some in (("ix_run_open", sa.text("ended_at IS NULL")), ("ix_run_gone", sa.text("gone <> ''"))):
        op.create_index(name, "run", ["updated_at"], sqlite_where=some, postgresql_where=some)
    op.create_table(
        "upkeep",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("problem", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upkeep")),
    )


def downgrade() -> None:
    no_way_back()
