"""Ledgers for tests, migrated in a moment: a new SQLite file is a copy of one that this process has migrated."""

import atexit
import functools
import secrets
import shutil
from pathlib import Path
from tempfile import mkdtemp

from sqlalchemy import Connection, update

from ledger.db import Ledger
from ledger.migrate import upgrade
from ledger.tables import identity


@functools.cache
def template() -> Path:
    """A migrated SQLite file to copy. It is removed when this process ends."""
    folder = Path(mkdtemp(prefix="baton-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", folder / "artifacts")
    upgrade(ledger)
    ledger.close()  # folds the write-ahead log into the file
    return folder / "ledger.db"


def migrate(ledger: Ledger) -> None:
    """As a worker does at its start. A SQLite file that is not there yet comes from the template, with an id of its own."""
    file = ledger.engine.url.database
    if ledger.engine.dialect.name == "sqlite" and file is not None and not Path(file).exists():
        shutil.copy(template(), file)
        ledger.tx_now(_named_anew)
    upgrade(ledger)


def _named_anew(connection: Connection) -> None:
    connection.execute(update(identity).values(ledger=secrets.token_hex(6)))
