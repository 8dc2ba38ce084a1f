"""What a step has seen says which source from outside it comes from, and an action which sources flowed into it"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("seen", sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("action", sa.Column("taint", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    no_way_back()
