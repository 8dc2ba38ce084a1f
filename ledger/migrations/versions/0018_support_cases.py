"""Tickets of support desks, and which case an issue belongs to"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_WORDS = ("desk", "ticket", "trace", "path", "run", "text", "joined", "ending", "category")
_NUMBERS = ("by_person", "usd_micros", "opened", "replied", "ended")


def upgrade() -> None:
    op.create_table(
        "support_case",
        sa.Column("key", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _WORDS),
        *(
            sa.Column(name, sa.BigInteger(), server_default=None if name == "opened" else sa.text("0"), nullable=False)
            for name in _NUMBERS
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_support_case")),
    )
    op.create_index("ix_support_case_trace", "support_case", ["trace"])
    op.create_table(
        "support_issue",
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("case", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issue", name=op.f("pk_support_issue")),
    )


def downgrade() -> None:
    no_way_back()
