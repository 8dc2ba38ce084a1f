"""Cases of support desks: one for each ticket, and which case an issue of a customer belongs to."""

from sqlalchemy import Index, Table

from ledger.tables.columns import metadata, number, words

support_case = Table(
    "support_case",
    metadata,
    words("key", primary_key=True),
    words("desk"),
    words("ticket"),
    words("trace"),
    words("path"),
    words("run"),
    words("text"),
    words("joined"),
    words("ending"),
    words("category"),
    number("by_person", 0),
    number("usd_micros", 0),
    number("opened"),
    number("replied", 0),
    number("ended", 0),
    Index("ix_support_case_trace", "trace"),
)
"""`key` is the digest of desk and ticket, `text` that of the ticket, `joined` the key of the case that it joined. `ending` is
empty while it is open."""

support_issue = Table(
    "support_issue",
    metadata,
    words("issue", primary_key=True),
    words("case"),
    number("at"),
)
"""`issue` is the digest of desk, customer and issue; `case` the key of the case that has it, since `at`."""
