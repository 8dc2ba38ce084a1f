"""What people should hear of, the channels it goes through, and the messages that were sent there."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, text

from ledger.tables.columns import Partial, metadata, number, words

notice = Table(
    "notice",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    words("kind"),
    words("trace"),
    words("run"),
    words("project"),
    words("pipeline"),
    words("about"),
    words("what"),
    words("who"),
    words("risk"),
    number("deadline", 0),
    number("at"),
)
"""`seq` is the number of its feed line, written in the same transaction. `who` is a JSON list; `deadline` 0: there is none.
`run`, `project` and `pipeline` are "" for what is about no run.
"""

channel = Table(
    "channel",
    metadata,
    words("name", primary_key=True),
    words("kind"),
    words("target"),
    number("cursor"),
    number("next_at", 0),
    number("failing_since", 0),
    number("sent_at", 0),
    words("problem", server_default=text("''")),
    number("seen_at"),
)
"""A channel that a worker has been started with, last at `seen_at`. Notices up to `cursor` are addressed to it or are none of
its own; its next message may be made at `next_at`. `failing_since` is 0 where its last attempt went well, `sent_at` 0 before
the first one did.
"""

addressed = Table(
    "addressed",
    metadata,
    words("channel", primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    number("due_at"),
    words("state"),
    words("message", server_default=text("''")),
    Partial("ix_addressed_waiting", "channel", "due_at", where="state = 'waiting'"),
    Index("ix_addressed_message", "message"),
)
"""A notice for a channel: `waiting` until `due_at`, `taken` into a `message`, or `over` before it was sent."""

message = Table(
    "message",
    metadata,
    words("id", primary_key=True),
    words("channel"),
    words("how"),
    words("target"),
    words("receivers"),
    words("title"),
    words("arguments"),
    Column("notices", Integer, nullable=False),
    words("state"),
    Column("tries", Integer, nullable=False),
    words("problem", server_default=text("''")),
    words("reference", server_default=text("''")),
    number("due_at"),
    words("lease_owner", server_default=text("''")),
    number("lease_until", 0),
    number("fence", 0),
    number("at"),
    number("updated_at"),
    Index("ix_message_state", "state", "channel", "due_at"),
    Index("ix_message_at", "at"),
)
"""`how` is `notices` or `test`. `state` is `open`, `sending`, `sent`, `dead` (given up) or `dropped` (by a person).

`arguments` are those of the adapter that sends it, the same for every attempt; "" before a worker has written a test.
"""
