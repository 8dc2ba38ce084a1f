"""Gates, what people decided there, and which of their keys do not count any more."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text

from ledger.tables.columns import Partial, metadata, number, words

gate = Table(
    "gate",
    metadata,
    words("trace", primary_key=True),
    words("gate", primary_key=True),
    words("kind"),
    Column("revision", Integer, nullable=False),
    words("path"),
    words("workflow_id"),
    words("project"),
    words("subject"),
    words("policy_digest"),
    words("view"),
    words("intents"),
    words("state"),
    words("run_ids", server_default="[]"),
    number("opened_at"),
    number("deadline"),
    Column("closed_at", BigInteger),
    Partial("ix_gate_open", "deadline", where="state = 'open'"),
)

decision = Table(
    "decision",
    metadata,
    words("id", primary_key=True),
    words("trace"),
    words("gate"),
    words("verb"),
    words("by"),
    words("note"),
    words("answers"),
    words("reference", server_default=text("''")),
    words("made", server_default=text("''")),
    words("subject"),
    words("outcome"),
    words("reason"),
    words("via"),
    words("channel"),
    Column("authenticated", Boolean, nullable=False),
    Column("nonce", Text),
    words("signature", server_default=text("''")),
    words("statement", server_default=text("''")),
    words("known", server_default=text("''")),
    number("at"),
    Index("ix_decision_gate", "trace", "gate"),
    # One winner per gate, whoever else is being checked at the same moment.
    Partial("uq_decision_won", "trace", "gate", unique=True, where="outcome = 'won'"),
    # A decision that was sent several times counts once; NULL, without a nonce, is never equal to NULL.
    Index("uq_decision_nonce", "nonce", unique=True),
)
"""`signature` and `statement`: what was signed, and with which key; both "" for a decision that was not signed.

`known` is how the console knew who decided; "" where it was not decided there.

`reference` is the target's own id for what a person did or found; "" where there is none. `made` is what a person handed in at
a gate `work`, as JSON with `made` and `patch`; "" at every other gate.
"""

revoked_key = Table("revoked_key", metadata, words("key", primary_key=True), words("by"), words("why"), number("at"))
"""`key` is the id of a public key."""
