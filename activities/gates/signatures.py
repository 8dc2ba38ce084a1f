"""Whether a decision is signed as identity asks for, by a key of the person that it names, over exactly this gate."""

from collections.abc import Sequence

from sqlalchemy import Connection

from activities.gates.policy import Policy
from contracts.gates import Claimed, GateView
from contracts.intents import Intent
from contracts.keys import key_id, raw_signature
from contracts.signing import SignedDecision
from ledger import keys
from ledger.signatures import holds, is_recorded

NOT_SIGNED = "this decision is not signed, and identity is 'signed': add --sign, or --sign --print for another client"
"""Why a decision does not count that was sent as a claim."""


def refuses(connection: Connection, policy: Policy, view: GateView, intents: Sequence[Intent], claim: Claimed) -> str | None:
    """Why this decision's signature does not count, or None; None also for one without, where identity asks for none.

    A decision that is recorded already keeps its answer: what was signed in time stays so when its key is revoked later.
    """
    said = claim.decision
    if is_recorded(connection, view, claim):
        return None
    if said.signature is None:
        return NOT_SIGNED if policy.identity == "signed" else None
    if not said.nonce:
        return "a signed decision needs a nonce, so that it counts once; sign it again with `baton approve --sign`"
    if (wrong := wrong_key(connection, policy, said.by, said.signature)) is not None:
        return wrong
    if holds(SignedDecision.of(view, intents, claim.verb, said), said.signature):
        return None
    return (
        "the signature is not of this decision: run, gate, revision, subject, verb, name, note, answers, amount, reference, "
        "nonce and actions have to be those that were signed. Look at the gate, and sign again"
    )


def wrong_key(connection: Connection, policy: Policy, by: str, signature: str) -> str | None:
    """Why the key that this signature names is none that this person may sign with now, or None."""
    public, _ = raw_signature(signature)
    name = key_id(public)
    if public not in policy.keys_of(by):
        return (
            f"key {name} is no key of {by!r}, by the policy in force and this worker's own file; `baton keys list` shows whose "
            f"keys count, and a new one goes into keys of [people.{by}]"
        )
    gone = keys.revocation(connection, name)
    if gone is not None:
        return f"key {name} was revoked by {gone.by} at {gone.at:%Y-%m-%d %H:%M:%S} UTC ({gone.why}); sign with another one"
    return None
