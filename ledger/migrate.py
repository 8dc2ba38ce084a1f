"""Bring a ledger to this release's schema, and say whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from contracts.errors import Misconfigured
from ledger.db import Ledger

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(ledger: Ledger) -> None:
    """Migrate to the newest schema. Safe to call at every start: a ledger that is there already is left alone."""
    if is_current(ledger):
        return
    config = _config()
    with ledger.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Two processes that start together must not both create the tables.
            connection.execute(text("SELECT pg_advisory_xact_lock(7120451)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(ledger: Ledger) -> bool:
    """True if the schema is this release's. Raises `Misconfigured` when a newer release has migrated it."""
    with ledger.engine.connect().execution_options(baton_reads=True) as connection:
        at = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(_config())
    if at is not None and at not in {script.revision for script in scripts.walk_revisions()}:
        raise Misconfigured(
            f"the ledger's schema is {at}, which this release does not know: a newer release has migrated it. "
            "Start that release, or restore the backup from before the upgrade"
        )
    return at == scripts.get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config
