"""Who is signed in to the console: the links that sign somebody in once, and the sessions that came of them."""

from sqlalchemy import BigInteger, Column, Table

from ledger.tables.columns import metadata, number, words

sign_in_link = Table(
    "sign_in_link",
    metadata,
    words("digest", primary_key=True),
    words("person"),
    number("expires_at"),
    Column("used_at", BigInteger),
)
"""`digest` is of the link's secret, which is kept nowhere. `used_at` is when it signed somebody in; NULL until then."""

console_session = Table(
    "console_session",
    metadata,
    words("digest", primary_key=True),
    words("person"),
    number("began_at"),
    number("seen_at"),
    Column("ended_at", BigInteger),
)
"""`digest` is of the session's cookie. `seen_at` is the last request, to the minute; `ended_at` is set by signing out."""
