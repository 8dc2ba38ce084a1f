"""Figures of run families, what says that they have changed, and how lost calls and the newest runs are found"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back
from ledger.migrations.figures_triggers import make

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_figures",
        sa.Column("trace", sa.Text(), nullable=False),
        *_numbers("first_at", "last_at"),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trace", name=op.f("pk_kept_figures")),
    )
    op.create_index("ix_kept_figures_last", "kept_figures", ["last_at"])
    key = ("trace", "day", "agent", "model", "project")
    op.create_table(
        "kept_spending",
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*key, "run", "pipeline")),
        *_numbers("spent", "held", "unknown", "calls", "calls_held", "calls_unknown"),
        *_numbers("useful", "retried", "repaired", "thrown_away"),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_kept_spending")),
    )
    op.create_table(
        "figures_changed",
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("nth", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("trace", "nth", name=op.f("pk_figures_changed")),
    )
    lost = sa.text("state = 'lost'")
    op.create_index("ix_reservation_lost", "reservation", ["at"], sqlite_where=lost, postgresql_where=lost)
    op.create_index("ix_run_started", "run", ["started_at"])
    make(op.get_bind())
    # Every family that there is: workers keep their figures in their next rounds, and until then they are read from the rows.
    op.execute(
        "INSERT INTO figures_changed (trace, nth) SELECT trace, 0 FROM run WHERE trace <> '' "
        "UNION SELECT trace, 0 FROM turn WHERE trace <> '' UNION SELECT trace, 0 FROM reservation WHERE trace <> ''"
    )


def _numbers(*names: str) -> list["sa.Column[int]"]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def downgrade() -> None:
    no_way_back()
