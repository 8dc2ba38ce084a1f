"""The policy in force and those before it, what was proposed instead, and who approved that."""

from sqlalchemy import BigInteger, Column, Table

from ledger.tables.columns import Partial, metadata, number, words

policy_version = Table(
    "policy_version",
    metadata,
    # Counted up by one: of two workers that add a version at once the second finds its number taken, and looks again.
    Column("nth", BigInteger, primary_key=True, autoincrement=False),
    words("digest"),
    words("body"),
    words("how"),
    words("why"),
    words("by"),
    number("at"),
)
"""The newest one is in force. `how`: found, tightened, merged or approved; `body`: the policy as JSON."""

policy_proposal = Table(
    "policy_proposal",
    metadata,
    words("id", primary_key=True),
    number("base"),
    words("digest"),
    words("body"),
    words("text"),
    words("changes"),
    words("figures"),
    words("why"),
    words("by"),
    words("state"),
    number("at"),
    Partial("ix_policy_proposal_open", "at", where="state = 'open'"),
)
"""`base` is the version that it was compared with, `text` the file as it was written. `state`: open, approved or outdated."""

policy_approval = Table(
    "policy_approval", metadata, words("proposal", primary_key=True), words("by", primary_key=True), number("at")
)
