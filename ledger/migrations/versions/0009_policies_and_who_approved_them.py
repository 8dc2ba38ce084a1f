"""The ledger has the policy in force, what was proposed instead, and who approved it; an action knows its target"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("action", sa.Column("target", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_index("ix_action_type", "action", ["type", "updated_at"])
    op.create_table(
        "policy_version",
        sa.Column("nth", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("nth", name=op.f("pk_policy_version")),
    )
    op.create_table(
        "policy_proposal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_proposal")),
    )
    still_open = sa.text("state = 'open'")
    op.create_index("ix_policy_proposal_open", "policy_proposal", ["at"], sqlite_where=still_open, postgresql_where=still_open)
    op.create_table(
        "policy_approval",
        sa.Column("proposal", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("proposal", "by", name=op.f("pk_policy_approval")),
    )


def downgrade() -> None:
    no_way_back()
