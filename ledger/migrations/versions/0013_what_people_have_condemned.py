"""People condemn what turned out to be wrong: what that is, and what became of the actions that had come from it"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "condemnation",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "what", "things", "why", "by")),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False) for name in ("undone_by", "undone_why")),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_condemnation")),
    )
    in_force = sa.text("undone_at IS NULL")
    op.create_index("ix_condemnation_in_force", "condemnation", ["at"], sqlite_where=in_force, postgresql_where=in_force)
    op.create_table(
        "condemned",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("thing", "condemnation")),
        sa.PrimaryKeyConstraint("thing", "condemnation", name=op.f("pk_condemned")),
    )
    op.create_index("ix_condemned_condemnation", "condemned", ["condemnation"])
    op.create_table(
        "remedy",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("condemnation", "action", "how", "note", "reference", "by")),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("condemnation", "action", name=op.f("pk_remedy")),
    )


def downgrade() -> None:
    no_way_back()
