"""A run's row knows which change of its state it has, so that an older one that comes late is left out"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("change_number", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    no_way_back()
