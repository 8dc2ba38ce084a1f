"""Conversations and files of runs that ended long ago can be removed; what approvals and effects name is kept"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("trimmed_at", sa.BigInteger(), nullable=True))
    whole = sa.text("ended_at IS NOT NULL AND trimmed_at IS NULL")
    op.create_index("ix_run_whole", "run", ["ended_at"], sqlite_where=whole, postgresql_where=whole)
    op.add_column("artifact", sa.Column("kept", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_seen_artifact", "seen", ["artifact"])


def downgrade() -> None:
    no_way_back()
