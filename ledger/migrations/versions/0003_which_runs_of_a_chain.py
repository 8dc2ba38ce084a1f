"""Runs and gates know which runs of a chain they had, so that a reset opens them again"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("run", "gate"):
        op.add_column(table, sa.Column("run_ids", sa.Text(), server_default="[]", nullable=False))


def downgrade() -> None:
    no_way_back()
