"""Slices, trips and changes of ceilings; breakers, rates and kept replies; who a reservation was for"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _columns()
    op.create_table(
        "trip",
        *_texts("trace", "gate", "scope", "project"),
        *_numbers("ceiling", "spent", "held", "wanted", "at"),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        *_texts("how", "by", default="''"),
        sa.PrimaryKeyConstraint("trace", "gate", name=op.f("pk_trip")),
    )
    op.create_index("ix_trip_scope", "trip", ["scope", "closed_at"])
    op.create_table(
        "ceiling_change",
        *_texts("id", "scope"),
        *_numbers("before", "after"),
        *_texts("by", "why", "channel"),
        *_numbers("at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ceiling_change")),
    )
    op.create_index("ix_ceiling_change_scope", "ceiling_change", ["scope", "at"])
    op.create_table(
        "breaker",
        *_texts("name", "state"),
        *_numbers("failures", "window_at", "opened_at", "until", "opened", default="0"),
        *_texts("reason"),
        *_texts("probe", default="''"),
        *_numbers("probe_until", "updated_at", default="0"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_breaker")),
    )
    op.create_table(
        "rate",
        *_texts("name"),
        *_numbers("window_at"),
        *_numbers("requests", "tokens", default="0"),
        sa.PrimaryKeyConstraint("name", "window_at", name=op.f("pk_rate")),
    )
    op.create_table(
        "cached_reply",
        *_texts("digest", "project", "agent", "provider", "model_asked", "reply", "turn"),
        *_numbers("at", "expires_at"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_cached_reply")),
    )
    op.create_index("ix_cached_reply_expires", "cached_reply", ["expires_at"])


def _columns() -> None:
    op.add_column("turn", sa.Column("cached", sa.Boolean(), server_default=sa.false(), nullable=False))
    for column in _texts("chosen", default="'first'"):
        op.add_column("turn", column)
    op.create_index("ix_turn_at", "turn", ["at"])
    op.create_index("ix_run_ended", "run", ["project", "pipeline", "ended_at"])
    op.add_column("scope", sa.Column("parent", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("scope", sa.Column("closed_at", sa.BigInteger(), nullable=True))
    some = sa.text("parent <> ''")
    op.create_index("ix_scope_parent", "scope", ["parent"], sqlite_where=some, postgresql_where=some)
    for column in _texts("trace", "path", "project", "agent", "model", "error", default="''"):
        op.add_column("reservation", column)
    op.add_column("reservation", sa.Column("closed_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_reservation_trace", "reservation", ["trace"])
    op.create_index("ix_reservation_at", "reservation", ["at"])


def _texts(*names: str, default: str | None = None) -> list[sa.Column[str]]:
    return [
        sa.Column(name, sa.Text(), server_default=None if default is None else sa.text(default), nullable=False)
        for name in names
    ]


def _numbers(*names: str, default: str | None = None) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), server_default=default, nullable=False) for name in names]


def downgrade() -> None:
    no_way_back()
