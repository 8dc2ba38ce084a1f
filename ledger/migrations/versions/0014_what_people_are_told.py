"""What people should hear of, the channels it goes through, and the messages that were sent there"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _empty(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _zeros(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        *_words("kind", "trace", "run", "project", "pipeline", "about", "what", "who", "risk"),
        *_zeros("deadline"),
        *_numbers("at"),
        sa.PrimaryKeyConstraint("seq", name="pk_notice"),
    )
    op.create_table(
        "channel",
        *_words("name", "kind", "target"),
        *_numbers("cursor"),
        *_zeros("next_at", "failing_since", "sent_at"),
        *_empty("problem"),
        *_numbers("seen_at"),
        sa.PrimaryKeyConstraint("name", name="pk_channel"),
    )
    op.create_table(
        "addressed",
        *_words("channel"),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        *_numbers("due_at"),
        *_words("state"),
        *_empty("message"),
        sa.PrimaryKeyConstraint("channel", "seq", name="pk_addressed"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_addressed_waiting", "addressed", ["channel", "due_at"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("ix_addressed_message", "addressed", ["message"])
    op.create_table(
        "message",
        *_words("id", "channel", "how", "target", "receivers", "title", "arguments"),
        sa.Column("notices", sa.Integer(), nullable=False),
        *_words("state"),
        sa.Column("tries", sa.Integer(), nullable=False),
        *_empty("problem", "reference"),
        *_numbers("due_at"),
        *_empty("lease_owner"),
        *_zeros("lease_until", "fence"),
        *_numbers("at", "updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
    )
    op.create_index("ix_message_state", "message", ["state", "channel", "due_at"])
    op.create_index("ix_message_at", "message", ["at"])


def downgrade() -> None:
    no_way_back()
