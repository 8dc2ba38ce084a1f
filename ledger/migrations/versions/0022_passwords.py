"""Passwords of the console, how somebody came in, and how often it was tried"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "console_password",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_console_password")),
    )
    op.create_table(
        "sign_in_try",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_sign_in_try")),
    )
    op.add_column("console_session", sa.Column("way", sa.Text(), server_default=sa.text("'link'"), nullable=False))


def downgrade() -> None:
    no_way_back()
