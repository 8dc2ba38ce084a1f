"""The ledger has an id and knows its Temporal namespace; workers say what they serve, with which settings, on what machine"""

import secrets

import sqlalchemy as sa
from alembic import op

from ledger.db import now_us
from ledger.migrations import no_way_back

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    identity = op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ledger", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("namespace", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("server", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
    )
    op.bulk_insert(identity, [{"id": 1, "ledger": secrets.token_hex(6), "made_at": now_us()}])
    for name, default in (("task_queue", ""), ("host", ""), ("settings", "{}"), ("machine", "{}")):
        op.add_column("worker", sa.Column(name, sa.Text(), server_default=sa.text(f"'{default}'"), nullable=False))
    for name in ("clock_ahead", "stopped_at"):
        op.add_column("worker", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    no_way_back()
