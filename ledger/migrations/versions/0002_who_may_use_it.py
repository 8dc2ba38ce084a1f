"""The ledger says which releases may use it, so that an older worker can go on beside a newer one"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "compatibility",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("oldest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compatibility")),
    )
    op.execute("INSERT INTO compatibility (id, oldest) VALUES (1, '0001')")


def downgrade() -> None:
    no_way_back()
