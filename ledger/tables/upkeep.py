"""Which worker looks after the ledger, and when that was last done."""

from sqlalchemy import Table, text

from ledger.tables.columns import metadata, number, words

upkeep = Table(
    "upkeep",
    metadata,
    words("id", primary_key=True),
    words("worker"),
    number("until"),
    number("done_at", 0),
    words("problem", server_default=text("''")),
)
"""A row for each part that one worker leads, `upkeep`, `relay` and `channel:NAME`: `worker` leads until `until`, and made its
last round at `done_at`; `problem` is what that round could not do.
"""
