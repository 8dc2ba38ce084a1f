"""Signatures under decisions: whether one holds, and whether a stored decision is still what was signed."""

import json

from sqlalchemy import Connection, RowMapping, select

from contracts.errors import ContractViolation
from contracts.gates import Claimed, GateView
from contracts.keys import raw_key, raw_signature
from contracts.signing import SignedDecision
from ledger.counting import COUNTED
from ledger.db import plain
from ledger.tables import decision, gate


def holds(statement: SignedDecision, signature: str) -> bool:
    """True if the key that the signature names has signed exactly this statement. False for a text that is no signature."""
    # Imported here: commands that only look need not wait for OpenSSL.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public, raw = raw_signature(signature)
        Ed25519PublicKey.from_public_bytes(raw_key(public)).verify(raw, statement.signed())
    except (InvalidSignature, ValueError):
        return False
    return True


def statement_of(row: RowMapping) -> SignedDecision | None:
    """What the person behind a stored decision has signed; None if this row is not what was signed, or is not signed."""
    try:
        found = SignedDecision.read(row["statement"])
    except ContractViolation:
        return None
    names = ("trace", "gate", "subject", "verb", "by", "note", "reference", "nonce")
    same = all(plain(getattr(found, name)) == row[name] for name in names)
    same = same and plain(json.dumps(found.answers, sort_keys=True)) == plain(
        json.dumps(json.loads(row["answers"]), sort_keys=True)
    )
    return found if same and holds(found, row["signature"]) else None


def approvals(connection: Connection, trace: str, name: str) -> list[RowMapping]:
    """The approvals of a gate's subject that count, in their order: the one that closed it, and those before it."""
    query = (
        select(decision, gate.c.kind, gate.c.revision)
        .join(gate, (gate.c.trace == decision.c.trace) & (gate.c.gate == decision.c.gate))
        .where(decision.c.trace == trace, decision.c.gate == name, decision.c.verb == "approve")
        .where(decision.c.outcome.in_(("won", COUNTED)), decision.c.subject == gate.c.subject)
    )
    return list(connection.execute(query.order_by(decision.c.at, decision.c.id)).mappings())


def is_recorded(connection: Connection, view: GateView, claim: Claimed) -> bool:
    """True if this decision counts already: it is only sent, or checked, once more."""
    said = claim.decision
    same = {"trace": view.trace, "gate": view.gate, "subject": view.subject, "verb": claim.verb, "by": plain(said.by)}
    same |= {"signature": said.signature or ""}
    query = select(decision.c.id).where(*(decision.c[name] == value for name, value in same.items()))
    return connection.execute(query.where(decision.c.outcome.in_(("won", COUNTED)))).first() is not None
