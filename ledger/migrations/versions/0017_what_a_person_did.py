"""A decision may name what a person did, by the target's own id for it"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decision", sa.Column("reference", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    no_way_back()
