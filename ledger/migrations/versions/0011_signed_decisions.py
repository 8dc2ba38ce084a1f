"""Decisions may be signed, and keys revoked"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("signature", "statement"):
        op.add_column("decision", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_table(
        "revoked_key",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_revoked_key")),
    )


def downgrade() -> None:
    no_way_back()
