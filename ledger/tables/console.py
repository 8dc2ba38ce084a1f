"""Who is signed in to the console: the links that sign somebody in once, and the sessions that came of them."""

from sqlalchemy import BigInteger, Column, Index, Table, text

from ledger.tables.columns import Partial, metadata, number, words

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
    words("way", server_default=text("'link'")),
)
"""`digest` is of the session's cookie. `seen_at` is the last request, to the minute; `ended_at` is set by signing out.

`way` is how the person came in: link, password or proxy.
"""

console_password = Table(
    "console_password",
    metadata,
    words("person", primary_key=True),
    words("hash"),
    number("changed_at"),
)
"""`hash` is argon2's own text, with its parameters and salt. The password is kept nowhere."""

sign_in_try = Table(
    "sign_in_try",
    metadata,
    words("subject", primary_key=True),
    number("since"),
    number("tries"),
)
"""How often something was tried since an instant: `links`, `passwords`, or `name:` and the digest of one that was typed."""

decision_outbox = Table(
    "decision_outbox",
    metadata,
    words("nonce", primary_key=True),
    words("trace"),
    words("gate"),
    words("verb"),
    words("by"),
    words("said"),
    words("state"),
    words("answer", server_default=text("''")),
    words("way", server_default=text("''")),
    number("made_at"),
    Column("tried_at", BigInteger),
    Column("ended_at", BigInteger),
    Index("ix_decision_outbox_gate", "trace", "gate"),
    Partial("ix_decision_outbox_waiting", "made_at", where="state = 'waiting'"),
)
"""What people decided in the console. `said` is the update's JSON object, and `nonce` the one in it.

`state` is waiting until it is confirmed, refused or withdrawn; `answer` is what the run said, `tried_at` when it was sent last.
`way` is how whoever decided had come in; "" for what an older release has written.
"""
