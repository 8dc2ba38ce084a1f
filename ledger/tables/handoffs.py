"""What steps made, and what it was made from."""

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, Table, false, text

from ledger.tables.columns import metadata, number, words

artifact = Table(
    "artifact",
    metadata,
    words("sha256", primary_key=True),
    number("size"),
    words("media_type"),
    Column("body", LargeBinary),
    words("location"),
    number("at"),
    Column("kept", Boolean, nullable=False, server_default=false()),
)
"""Without `body` and `location` its bytes were removed. `kept`: what is on record for ever names it.

`at` is when it was stored, or stored again half a day or more later.
"""

seen = Table(
    "seen",
    metadata,
    words("trace", primary_key=True),
    words("path", primary_key=True),
    words("artifact", primary_key=True),
    words("name", primary_key=True),
    Column("untrusted", Boolean, nullable=False),
    number("at"),
    words("source", server_default=text("''")),
    Index("ix_seen_artifact", "artifact"),
    Index("ix_seen_name", "name"),
)
"""`source`: the names of the sources from outside that the bytes come from, with commas between; "" for what is ours."""

handoff = Table(
    "handoff",
    metadata,
    words("id", primary_key=True),
    words("trace"),
    words("path"),
    words("digest"),
    words("contract"),
    words("outcome"),
    words("producer"),
    words("body"),
    number("at"),
    words("agent", server_default=text("''")),
    words("version", server_default=text("''")),
    words("model", server_default=text("''")),
    Index("ix_handoff_trace_path", "trace", "path"),
    Index("ix_handoff_agent", "agent", "at"),
    Index("ix_handoff_model", "model", "at"),
)

claim = Table(
    "claim",
    metadata,
    words("handoff", primary_key=True),
    Column("position", Integer, primary_key=True),
    words("subject"),
    words("attribute"),
    words("value"),
    Column("supported", Boolean, nullable=False),
)

edge = Table(
    "edge",
    metadata,
    words("child", primary_key=True),
    words("relation", primary_key=True),
    words("parent", primary_key=True),
    Index("ix_edge_parent", "parent"),
)
