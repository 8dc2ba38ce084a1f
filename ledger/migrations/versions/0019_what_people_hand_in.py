"""A decision may hold the work of a person who did an agent's step"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decision", sa.Column("made", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    no_way_back()
