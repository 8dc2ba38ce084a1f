"""Actions can be left to the relay: who carries them out, since when, how often it was tried, and when it is tried again"""

import sqlalchemy as sa
from alembic import op

from ledger.db import server_us
from ledger.migrations import no_way_back

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("relay", "problem"):
        op.add_column("action", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    for name in ("handed_at", "due_at", "tries"):
        op.add_column("action", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    # What was approved before there was a relay is not sent all of a sudden: it is listed, and a person says.
    since = sa.text("INSERT INTO counter (name, value) SELECT 'swept_since', :now WHERE EXISTS (SELECT 1 FROM run)")
    op.get_bind().execute(since, {"now": server_us(op.get_bind())})


def downgrade() -> None:
    no_way_back()
