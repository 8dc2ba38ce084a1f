"""${message}"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations import no_way_back

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Only add what an older release can live without: tables, columns with a default, plain indexes. What it cannot live
    # without (docs/decisions/0006) comes a release later, together with:
    # op.execute("UPDATE compatibility SET oldest = '${up_revision}'")
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    no_way_back()
