"""Whether a decision is signed as identity asks for, by a key of the person that it names, over exactly this gate."""

from collections.abc import Sequence

from sqlalchemy import Connection

from activities.gates.policy import Policy
from contracts.gates import Claimed, GateView
from contracts.intents import Intent
from contracts.keys import key_id, raw_signature
from contracts.known import SIGNED_IN, Known
from contracts.signing import SignedDecision
from ledger import keys
from ledger.signatures import holds, is_recorded

NOT_SIGNED_IN = (
    "nobody has signed in to make this decision, and identity is 'signed-in': decide in the console, or sign it with --sign "
    "(--sign --print for another client)"
)
"""Why a decision does not count that is a claim, where people have to have signed in."""

ONLY_A_LINK = (
    "it was decided in the console after coming in by a one-time link, which proves only the account that printed it, and "
    "identity is 'signed-in': sign in there by password or through its proxy, or sign the decision with --sign"
)
"""Why one does not count that came in by a link."""

NOT_SIGNED = "this decision is not signed, and identity is 'signed': add --sign, or --sign --print for another client"
"""Why a decision does not count that was sent as a claim."""


def refuses(
    connection: Connection,
    policy: Policy,
    view: GateView,
    intents: Sequence[Intent],
    claim: Claimed,
    known: Known = "",
) -> str | None:
    """Why this decision's signature does not count, or None; None also for one without, where identity asks for none.

    `known` is how the console knew who decided, by its own row; where identity is `signed-in`, that can be enough.
    A decision that is recorded already keeps its answer: what was signed in time stays so when its key is revoked later.
    """
    said = claim.decision
    if is_recorded(connection, view, claim):
        return None
    if said.signature is None:
        return unsigned(policy, known)
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


def unsigned(policy: Policy, known: Known) -> str | None:
    """Why a decision without a signature does not count whose person the console knew in this way, or None."""
    if policy.identity == "signed":
        return NOT_SIGNED
    if policy.identity != "signed-in" or known in SIGNED_IN:
        return None
    return ONLY_A_LINK if known == "link" else NOT_SIGNED_IN


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
