"""Attempts of an action are counted when they begin: one that ends its worker tells nobody how it went"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("action", sa.Column("begun", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    no_way_back()
